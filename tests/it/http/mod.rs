//! HTTP in and HTTP out, with nothing in between but the proxy: what passes as it came, what is cleaned, what is
//! cut off, and when.

mod ahead;
mod bounds;
mod cookies;
mod doors;
mod every_way;
mod extended;
mod fidelity;
mod hops;
mod refused;
mod two_ways;
mod uploads;

/// The status of the first answer in what a client read.
pub(crate) fn status(answer: &str) -> u16 {
    answer.get(9..12).and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("no answer: {answer:?}"))
}

/// The values of one field in a head, by name without regard to case.
pub(crate) fn values<'a>(head: &'a str, name: &str) -> Vec<&'a str> {
    let head = head.split("\r\n\r\n").next().unwrap_or_default();
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .filter(|(found, _)| found.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
        .collect()
}
