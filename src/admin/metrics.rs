//! Metrics as OpenMetrics text, version 1.0.0.

use std::borrow::Cow;
use std::fmt::Write;

/// What `GET /metrics` says it is.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// One metric family.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// Without the suffix that its kind adds, such as `portunus_requests`.
    pub name: &'static str,
    /// One line for a person.
    pub help: &'static str,
    /// What it counts.
    pub kind: MetricKind,
    /// One for each set of labels.
    pub samples: Vec<Sample>,
}

/// What a metric counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows; written with the suffix `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by size.
    Histogram,
    /// Facts about the process as labels; written with the suffix `_info`.
    Info,
}

/// One set of labels and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Label names and values; values are escaped when written.
    pub labels: Vec<(&'static str, Cow<'static, str>)>,
    /// The value.
    pub value: Value,
}

/// The value of a sample.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// One number.
    Number(f64),
    /// Counts by size.
    Histogram(Histogram),
}

/// Counts by size.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Histogram {
    /// Upper bounds in growing order, each with how many fell at or below it; `+Inf` is added.
    pub buckets: Vec<(f64, u64)>,
    /// How many in all.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
}

impl Metric {
    /// A counter of one sample.
    pub fn counter(name: &'static str, help: &'static str, value: u64) -> Self {
        Self { name, help, kind: MetricKind::Counter, samples: vec![Sample::number(value as f64)] }
    }

    /// A gauge of one sample.
    pub fn gauge(name: &'static str, help: &'static str, value: f64) -> Self {
        Self { name, help, kind: MetricKind::Gauge, samples: vec![Sample::number(value)] }
    }
}

impl Sample {
    /// A number without labels.
    pub fn number(value: f64) -> Self {
        Self { labels: Vec::new(), value: Value::Number(value) }
    }

    /// The same with one label more.
    #[must_use]
    pub fn with(mut self, label: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.labels.push((label, value.into()));
        self
    }
}

impl MetricKind {
    fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Info => "info",
        }
    }

    fn suffix(self) -> &'static str {
        match self {
            Self::Counter => "_total",
            Self::Info => "_info",
            Self::Gauge | Self::Histogram => "",
        }
    }
}

/// The whole exposition.
pub(super) fn render(metrics: &[Metric]) -> String {
    let mut out = String::new();
    for metric in metrics {
        // Writing into a String cannot fail.
        let _ = writeln!(out, "# TYPE {} {}", metric.name, metric.kind.word());
        let _ = writeln!(out, "# HELP {} {}", metric.name, escaped(metric.help));
        for sample in &metric.samples {
            match &sample.value {
                Value::Number(value) => {
                    line(&mut out, metric.name, metric.kind.suffix(), &sample.labels, None, *value);
                }
                Value::Histogram(histogram) => {
                    let bounds = histogram.buckets.iter().map(|(le, n)| (*le, *n));
                    for (le, n) in bounds.chain([(f64::INFINITY, histogram.count)]) {
                        line(&mut out, metric.name, "_bucket", &sample.labels, Some(le), count(n));
                    }
                    line(&mut out, metric.name, "_count", &sample.labels, None, count(histogram.count));
                    line(&mut out, metric.name, "_sum", &sample.labels, None, histogram.sum);
                }
            }
        }
    }
    out.push_str("# EOF\n");
    out
}

fn line(
    out: &mut String,
    name: &str,
    suffix: &str,
    labels: &[(&'static str, Cow<'static, str>)],
    le: Option<f64>,
    value: f64,
) {
    let mut pairs: Vec<_> = labels.iter().map(|(key, text)| format!("{key}=\"{}\"", escaped(text))).collect();
    pairs.extend(le.map(|le| format!("le=\"{}\"", number(le))));
    let labels = if pairs.is_empty() { String::new() } else { format!("{{{}}}", pairs.join(",")) };
    let _ = writeln!(out, "{name}{suffix}{labels} {}", number(value));
}

fn number(value: f64) -> String {
    if value == f64::INFINITY { "+Inf".to_owned() } else { format!("{value}") }
}

#[expect(clippy::cast_precision_loss, reason = "OpenMetrics numbers are doubles")]
fn count(n: u64) -> f64 {
    n as f64
}

/// Backslash, line feed and double quote, as the ABNF asks for in label values and help.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_written_as_openmetrics_asks() {
        let metrics = [
            Metric {
                name: "portunus_requests",
                help: "Requests answered.",
                kind: MetricKind::Counter,
                samples: vec![
                    Sample::number(3.0).with("code", "200"),
                    Sample::number(1.0).with("code", "a\"b\\c\nd"),
                ],
            },
            Metric {
                name: "portunus_signed_in",
                help: "1 when signed in.",
                kind: MetricKind::Gauge,
                samples: vec![Sample::number(0.5)],
            },
            Metric {
                name: "portunus_login_seconds",
                help: "How long logins took.",
                kind: MetricKind::Histogram,
                samples: vec![Sample {
                    labels: vec![],
                    value: Value::Histogram(Histogram {
                        buckets: vec![(0.1, 1), (1.0, 2)],
                        count: 3,
                        sum: 4.5,
                    }),
                }],
            },
            Metric {
                name: "portunus_build",
                help: "What runs.",
                kind: MetricKind::Info,
                samples: vec![Sample::number(1.0).with("version", "0.1.0")],
            },
        ];
        assert_eq!(
            render(&metrics),
            r#"# TYPE portunus_requests counter
# HELP portunus_requests Requests answered.
portunus_requests_total{code="200"} 3
portunus_requests_total{code="a\"b\\c\nd"} 1
# TYPE portunus_signed_in gauge
# HELP portunus_signed_in 1 when signed in.
portunus_signed_in 0.5
# TYPE portunus_login_seconds histogram
# HELP portunus_login_seconds How long logins took.
portunus_login_seconds_bucket{le="0.1"} 1
portunus_login_seconds_bucket{le="1"} 2
portunus_login_seconds_bucket{le="+Inf"} 3
portunus_login_seconds_count 3
portunus_login_seconds_sum 4.5
# TYPE portunus_build info
# HELP portunus_build What runs.
portunus_build_info{version="0.1.0"} 1
# EOF
"#
        );
    }

    #[test]
    fn no_metrics_are_still_a_whole_exposition() {
        assert_eq!(render(&[]), "# EOF\n");
    }
}
