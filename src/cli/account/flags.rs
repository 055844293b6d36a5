//! The flags of the commands about an account. None of them carries a secret.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What the commands share that only show something.
#[derive(Debug, Clone, Default, Args)]
pub struct ListFlags {
    /// Which identity, where several are configured
    #[arg(long, value_name = "NAME")]
    pub identity: Option<String>,

    /// The admin API's own JSON
    #[arg(long)]
    pub json: bool,
}

/// What the commands share that ask a person.
#[derive(Debug, Clone, Default, Args)]
pub struct TalkFlags {
    /// Which identity, where several are configured
    #[arg(long, value_name = "NAME")]
    pub identity: Option<String>,

    /// Never ask on the terminal; fail with exit code 3 where it would be needed
    #[arg(long)]
    pub no_input: bool,
}

/// `portunus sessions`.
#[derive(Debug, Clone, Default, Args)]
pub struct SessionsFlags {
    /// What every list takes.
    #[command(flatten)]
    pub list: ListFlags,

    /// End the sign-in of this id, as the list shows it
    #[arg(long, value_name = "ID", conflicts_with = "terminate_others")]
    pub terminate: Option<String>,

    /// End every sign-in but this proxy's
    #[arg(long)]
    pub terminate_others: bool,
}

/// `portunus mfa`.
#[derive(Debug, Clone, Default, Args)]
pub struct MfaFlags {
    /// What to do; a list without one.
    #[command(subcommand)]
    pub command: Option<MfaCommand>,
}

/// What `portunus mfa` does.
#[derive(Debug, Clone, Subcommand)]
pub enum MfaCommand {
    /// List the second factors
    List(ListFlags),
    /// Add a second factor
    #[command(subcommand)]
    Setup(SetUpCommand),
    /// Enter the first code of an authenticator that was set up
    Verify(TalkFlags),
    /// Count the backup codes that are left
    BackupCodes(ListFlags),
}

/// What can be set up.
#[derive(Debug, Clone, Subcommand)]
pub enum SetUpCommand {
    /// An authenticator app: a QR code, then its first code
    Otp(SetUpFlags),
}

/// `portunus mfa setup otp`.
#[derive(Debug, Clone, Default, Args)]
pub struct SetUpFlags {
    /// Whom to ask.
    #[command(flatten)]
    pub talk: TalkFlags,

    /// Write the secret to this new file, which nobody else can read, instead of showing it
    #[arg(long, value_name = "FILE")]
    pub write_secret: Option<PathBuf>,
}

/// `portunus password`.
#[derive(Debug, Clone, Args)]
pub struct PasswordFlags {
    /// What to do.
    #[command(subcommand)]
    pub command: PasswordCommand,
}

/// What `portunus password` does.
#[derive(Debug, Clone, Subcommand)]
pub enum PasswordCommand {
    /// Have a reset link sent
    Forgot(ForgotFlags),
    /// Set a new password by the token, or the whole link, of that e-mail
    Reset(TalkFlags),
    /// Set the first password, after `portunus register`
    Init(TalkFlags),
    /// Change the password of who is signed in
    Change(TalkFlags),
}

/// `portunus password forgot`.
#[derive(Debug, Clone, Default, Args)]
pub struct ForgotFlags {
    /// Whom to ask.
    #[command(flatten)]
    pub talk: TalkFlags,

    /// The account
    #[arg(long, value_name = "ADDRESS")]
    pub email: Option<String>,

    /// Read the Turnstile token that the portal asks for from standard input, one line
    #[arg(long)]
    pub turnstile_token_stdin: bool,
}

/// `portunus register`.
#[derive(Debug, Clone, Default, Args)]
pub struct RegisterFlags {
    /// Whom to ask.
    #[command(flatten)]
    pub talk: TalkFlags,

    /// The address to register
    #[arg(long, value_name = "ADDRESS")]
    pub email: Option<String>,

    /// The account's name
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,

    /// Begin anew, even if a registration is under way
    #[arg(long)]
    pub again: bool,
}
