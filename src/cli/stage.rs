//! Stages of a check: run one after the other, each shown with its time, what failed, whose it is, what to do.

use std::future::Future;
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use super::exit::Exit;
use super::span::took;
use super::terminal::{Paint, Terminal, waiting};
use crate::admin::Whose;

/// How long one stage may take.
pub(super) const STAGE_TIME: Duration = Duration::from_secs(15);

/// Why a stage is not run that takes more than was asked for.
const NOT_ASKED: &str = "not asked for (--login)";

/// What a stage that went well hands to the next, and what it has to say.
#[derive(Debug)]
pub struct Passed<T> {
    /// For the next stage.
    pub value: T,
    /// What was found, such as the addresses; one line.
    pub detail: String,
}

/// Why a stage failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// What happened.
    pub what: String,
    /// Whose doing it is.
    pub who: Whose,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// How the command ends.
    #[serde(skip)]
    pub exit: Exit,
}

/// One stage that was run or left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stage {
    /// Its name, such as `tls`.
    pub name: &'static str,
    /// How it went.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// How long it took, in milliseconds.
    #[serde(rename = "took_ms", serialize_with = "milliseconds")]
    pub took: Duration,
}

/// How a stage went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// It went well.
    Ok {
        /// What was found.
        detail: String,
    },
    /// It failed.
    Failed(Fault),
    /// It was not run.
    Skipped {
        /// Why not.
        why: String,
    },
}

/// Runs stages and shows each as it ends.
#[derive(Debug)]
pub struct Stages<'a, T> {
    terminal: &'a mut T,
    json: bool,
    stages: Vec<Stage>,
}

impl<'a, T: Terminal> Stages<'a, T> {
    /// Nothing run yet. As JSON everything is shown at the end, in one document.
    pub fn new(terminal: &'a mut T, json: bool) -> Self {
        Self { terminal, json, stages: Vec::new() }
    }

    /// Runs a stage on what an earlier one handed over; where that is missing it is skipped. Returns what it
    /// hands to the next.
    pub async fn stage<I, O, F>(
        &mut self,
        name: &'static str,
        input: Option<I>,
        body: impl FnOnce(I) -> F,
    ) -> Option<O>
    where
        F: Future<Output = Result<Passed<O>, Fault>>,
    {
        self.stage_within(STAGE_TIME, name, input, body).await
    }

    /// As [`Stages::stage`], for a stage that may take another time than the others.
    pub async fn stage_within<I, O, F>(
        &mut self,
        limit: Duration,
        name: &'static str,
        input: Option<I>,
        body: impl FnOnce(I) -> F,
    ) -> Option<O>
    where
        F: Future<Output = Result<Passed<O>, Fault>>,
    {
        let Some(input) = input else {
            self.skip(name);
            return None;
        };
        let begun = Instant::now();
        let run = tokio::time::timeout(limit, body(input));
        let result = waiting(self.terminal, name, run).await.unwrap_or_else(|_elapsed| Err(too_slow(limit)));
        self.done(name, begun.elapsed(), result)
    }

    /// A stage that was run elsewhere, and took this long. Returns what it hands to the next.
    pub fn done<O>(
        &mut self,
        name: &'static str,
        took: Duration,
        result: Result<Passed<O>, Fault>,
    ) -> Option<O> {
        let (outcome, value) = match result {
            Ok(Passed { value, detail }) => (Outcome::Ok { detail }, Some(value)),
            Err(fault) => (Outcome::Failed(fault), None),
        };
        self.push(name, outcome, took);
        value
    }

    /// A stage that is not run, because an earlier one failed or nobody asked for it.
    pub fn skip(&mut self, name: &'static str) {
        let failed = self.stages.iter().find(|stage| matches!(stage.outcome, Outcome::Failed(_)));
        let why =
            failed.map_or_else(|| NOT_ASKED.to_owned(), |stage| format!("not run, needs {}", stage.name));
        self.leave_out(name, why);
    }

    /// As [`Stages::skip`], for several.
    pub fn skip_all(&mut self, names: &[&'static str]) {
        names.iter().for_each(|name| self.skip(name));
    }

    /// A stage that is not run, for a reason of its own.
    pub fn leave_out(&mut self, name: &'static str, why: impl Into<String>) {
        self.push(name, Outcome::Skipped { why: why.into() }, Duration::ZERO);
    }

    /// Ends the check: shows the JSON if it was asked for; the exit code of the first fault.
    pub fn finish(mut self) -> Exit {
        if !self.json {
            self.show_skipped();
        }
        let fault = self.stages.iter().find_map(|stage| match &stage.outcome {
            Outcome::Failed(fault) => Some(fault.exit),
            Outcome::Ok { .. } | Outcome::Skipped { .. } => None,
        });
        if self.json {
            let document = serde_json::json!({ "ok": fault.is_none(), "stages": self.stages });
            self.terminal.data(&format!("{document:#}"));
        }
        fault.unwrap_or(Exit::Ok)
    }

    fn push(&mut self, name: &'static str, outcome: Outcome, took: Duration) {
        let stage = Stage { name, outcome, took };
        if !self.json {
            // Those that are skipped for one reason share a line, shown once it is known which they are.
            if skipped(&stage).is_none_or(|why| self.skipped_last() != Some(why)) {
                self.show_skipped();
            }
            if skipped(&stage).is_none() {
                self.terminal.data(&render(&stage, self.terminal.paint()));
            }
        }
        self.stages.push(stage);
    }

    /// Why the last stage was skipped, if it was.
    fn skipped_last(&self) -> Option<&str> {
        self.stages.last().and_then(skipped)
    }

    /// Shows the stages at the end of the list that were skipped, which are all skipped for the same reason.
    fn show_skipped(&mut self) {
        let Some(why) = self.skipped_last().map(str::to_owned) else { return };
        let names: Vec<_> =
            self.stages.iter().rev().map_while(|s| (skipped(s)? == why).then_some(s.name)).collect();
        let names: Vec<_> = names.into_iter().rev().collect();
        let mark = self.terminal.paint().faint('-');
        self.terminal.data(&format!("{mark} {}: {why}", names.join(", ")));
    }
}

fn skipped(stage: &Stage) -> Option<&str> {
    match &stage.outcome {
        Outcome::Skipped { why } => Some(why),
        Outcome::Ok { .. } | Outcome::Failed(_) => None,
    }
}

fn too_slow(limit: Duration) -> Fault {
    Fault {
        what: format!("no answer within {} s", limit.as_secs()),
        who: Whose::Network,
        hint: Some("is there a firewall or a corporate proxy on the way?".to_owned()),
        exit: Exit::Unreachable,
    }
}

/// Room for the longest name of a stage.
const NAME_WIDTH: usize = 14;

/// One stage as lines: mark, name, time, what was found; below a failure whose it is and what to do.
fn render(stage: &Stage, paint: Paint) -> String {
    let (mark, text) = match &stage.outcome {
        Outcome::Ok { detail } => (paint.good('✓'), detail.clone()),
        Outcome::Failed(fault) => (paint.bad('✗'), fault.what.clone()),
        Outcome::Skipped { why } => (paint.faint('-'), why.clone()),
    };
    let time = took(stage.took);
    let indent = " ".repeat(NAME_WIDTH + 12);
    let text = text.replace('\n', &format!("\n{indent}"));
    let mut lines =
        format!("{mark} {:<NAME_WIDTH$} {} {text}", stage.name, paint.faint(format!("{time:>8}")));
    if let Outcome::Failed(fault) = &stage.outcome {
        lines = format!("{lines}\n{indent}whose: {}", whose(fault.who));
        if let Some(hint) = &fault.hint {
            let hint = hint.replace('\n', &format!("\n{indent}      "));
            lines = format!("{lines}\n{indent}{} {hint}", paint.strong("hint:"));
        }
    }
    lines
}

fn whose(whose: Whose) -> &'static str {
    match whose {
        Whose::Client => "the command line",
        Whose::Person => "yours: credentials or configuration",
        Whose::Proxy => "this machine or this proxy",
        Whose::Network => "the way to the portal",
        Whose::Portal => "the portal",
    }
}

fn milliseconds<S: serde::Serializer>(span: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::super::script::Script;
    use super::*;

    fn refused() -> Fault {
        Fault {
            what: "connection refused by 127.0.0.1:443".into(),
            who: Whose::Network,
            hint: Some("is the portal up, and is the port right?".into()),
            exit: Exit::Unreachable,
        }
    }

    async fn run(stages: &mut Stages<'_, Script>) {
        let addresses = stages
            .stage("dns", Some("localhost"), |host| async move {
                Ok(Passed { value: 2_u8, detail: format!("{host} is 127.0.0.1, ::1") })
            })
            .await;
        let tcp = stages.stage::<_, (), _>("tcp", addresses, |_| async { Err(refused()) }).await;
        let tls = stages
            .stage("tls", tcp, |()| async { Ok(Passed { value: (), detail: "never run".into() }) })
            .await;
        assert_eq!(tls, None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_failure_skips_what_needs_it_and_decides_the_exit_code() {
        let mut script = Script::default();
        let mut stages = Stages::new(&mut script, false);
        run(&mut stages).await;
        assert_eq!(stages.finish(), Exit::Unreachable);
        assert_eq!(
            script.data.join("\n"),
            "\
✓ dns               <1 ms localhost is 127.0.0.1, ::1
✗ tcp               <1 ms connection refused by 127.0.0.1:443
                          whose: the way to the portal
                          hint: is the portal up, and is the port right?
- tls: not run, needs tcp"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn as_json_there_is_one_document_and_nothing_else() {
        let mut script = Script::default();
        let mut stages = Stages::new(&mut script, true);
        run(&mut stages).await;
        stages.finish();
        let [document] = script.data.as_slice() else { panic!("{:?}", script.data) };
        let document: serde_json::Value = serde_json::from_str(document).unwrap();
        assert_eq!(document["ok"], false);
        let fields = |i: usize| (&document["stages"][i]["name"], &document["stages"][i]["outcome"]);
        assert_eq!(fields(0), (&"dns".into(), &"ok".into()));
        assert_eq!(fields(1), (&"tcp".into(), &"failed".into()));
        assert_eq!(fields(2), (&"tls".into(), &"skipped".into()));
        assert_eq!(document["stages"][1]["who"], "network");
        assert_eq!(document["stages"][1]["took_ms"], 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stage_has_its_time_and_not_more() {
        let mut script = Script::default();
        let mut stages = Stages::new(&mut script, false);
        let takes = |span| async move {
            tokio::time::sleep(span).await;
            Ok(Passed { value: (), detail: "there".into() })
        };
        let almost = STAGE_TIME - Duration::from_millis(1);
        assert!(stages.stage("tcp", Some(()), |()| takes(almost)).await.is_some());
        let beyond = STAGE_TIME + Duration::from_millis(1);
        assert!(stages.stage("tcp", Some(()), |()| takes(beyond)).await.is_none());
        assert_eq!(stages.finish(), Exit::Unreachable);
        assert!(script.data[1].contains("no answer within 15 s"), "{:?}", script.data);
    }

    #[tokio::test]
    async fn what_was_not_asked_for_is_no_failure() {
        let mut script = Script::default();
        let mut stages = Stages::new(&mut script, false);
        let body = |()| async { Ok(Passed { value: (), detail: String::new() }) };
        stages.stage("login", None::<()>, body).await;
        assert_eq!(stages.finish(), Exit::Ok);
        assert_eq!(script.data, ["- login: not asked for (--login)"]);
    }
}
