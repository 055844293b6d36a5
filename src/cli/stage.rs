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
        let Some(input) = input else {
            let failed = self.stages.iter().find(|stage| matches!(stage.outcome, Outcome::Failed(_)));
            let why =
                failed.map_or_else(|| "not asked for".to_owned(), |stage| format!("needs {}", stage.name));
            self.push(name, Outcome::Skipped { why }, Duration::ZERO);
            return None;
        };
        let begun = Instant::now();
        let run = tokio::time::timeout(STAGE_TIME, body(input));
        let result = waiting(self.terminal, name, run).await.unwrap_or_else(|_elapsed| Err(too_slow()));
        let (outcome, value) = match result {
            Ok(Passed { value, detail }) => (Outcome::Ok { detail }, Some(value)),
            Err(fault) => (Outcome::Failed(fault), None),
        };
        self.push(name, outcome, begun.elapsed());
        value
    }

    /// Ends the check: shows the JSON if it was asked for; the exit code of the first fault.
    pub fn finish(self) -> Exit {
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
            self.terminal.data(&render(&stage, self.terminal.paint()));
        }
        self.stages.push(stage);
    }
}

fn too_slow() -> Fault {
    Fault {
        what: format!("no answer within {} s", STAGE_TIME.as_secs()),
        who: Whose::Network,
        hint: Some("is there a firewall or a corporate proxy on the way?".to_owned()),
        exit: Exit::Unreachable,
    }
}

/// One stage as lines: mark, name, time, what was found; below a failure whose it is and what to do.
fn render(stage: &Stage, paint: Paint) -> String {
    let (mark, text) = match &stage.outcome {
        Outcome::Ok { detail } => (paint.good('✓'), detail.clone()),
        Outcome::Failed(fault) => (paint.bad('✗'), fault.what.clone()),
        Outcome::Skipped { why } => (paint.faint('-'), format!("skipped: {why}")),
    };
    let time = match stage.outcome {
        Outcome::Skipped { .. } => String::new(),
        Outcome::Ok { .. } | Outcome::Failed(_) => took(stage.took),
    };
    let mut lines = format!("{mark} {:<12} {} {text}", stage.name, paint.faint(format!("{time:>8}")));
    if let Outcome::Failed(fault) = &stage.outcome {
        let indent = " ".repeat(24);
        lines = format!("{lines}\n{indent}whose: {}", whose(fault.who));
        if let Some(hint) = &fault.hint {
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
✓ dns             <1 ms localhost is 127.0.0.1, ::1
✗ tcp             <1 ms connection refused by 127.0.0.1:443
                        whose: the way to the portal
                        hint: is the portal up, and is the port right?
- tls                   skipped: needs tcp"
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
        assert!(script.data[0].ends_with("skipped: not asked for"), "{:?}", script.data);
    }
}
