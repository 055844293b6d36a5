//! How a document of an earlier version becomes one of the next.
//!
//! The first version that a release wrote is [`OLDEST`]; each later one has a step here that makes it of the one
//! before. A document is read under the version that it was sealed as, goes through the steps, and is written as the
//! newest with its next change.

use serde_json::Value;

/// What is sealed inside a document of one version, made into that of the next; `None` if it is damaged.
pub(super) type Step = fn(Value) -> Option<Value>;

/// The first version there was.
pub(super) const OLDEST: u64 = 1;

/// The steps, from [`OLDEST`] on. There is one version yet, and so no step.
pub(super) const STEPS: &[Step] = &[];

/// The version that is written.
pub(super) const NEWEST: u64 = OLDEST + STEPS.len() as u64;

/// The inside of a document of `version` as one of the newest, by these steps. The version has to be one that is
/// read.
pub(super) fn migrate(inside: Value, version: u64, steps: &[Step]) -> Option<Value> {
    let passed = usize::try_from(version.checked_sub(OLDEST)?).ok()?;
    steps.get(passed..)?.iter().try_fold(inside, |inside, step| step(inside))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// 1 to 2 renames a field, 2 to 3 adds one.
    const TWO: &[Step] = &[
        |mut inside| {
            let tried = inside.as_object_mut()?.remove("tried")?;
            inside["attempts"] = tried;
            Some(inside)
        },
        |mut inside| {
            inside["replicas"] = json!([]);
            Some(inside)
        },
    ];

    #[test]
    fn a_document_goes_through_the_steps_from_its_own_version_on() {
        let newest = json!({ "attempts": 4, "replicas": [] });
        assert_eq!(migrate(json!({ "tried": 4 }), 1, TWO), Some(newest.clone()));
        assert_eq!(migrate(json!({ "attempts": 4 }), 2, TWO), Some(newest.clone()));
        assert_eq!(migrate(newest.clone(), 3, TWO), Some(newest));
    }

    #[test]
    fn a_step_that_finds_damage_and_a_version_that_is_not_read_give_nothing() {
        assert_eq!(migrate(json!({ "attempts": 4 }), 1, TWO), None, "version 1 has no such field");
        assert_eq!(migrate(json!({}), 0, TWO), None);
        assert_eq!(migrate(json!({}), 4, TWO), None);
    }
}
