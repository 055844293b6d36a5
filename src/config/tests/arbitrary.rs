//! Whatever is written, the reader does not panic.

use proptest::prelude::*;

use super::*;

/// Text made of the very words of the table, so that it gets past the first check now and then.
fn plausible() -> impl Strategy<Value = String> {
    let words: Vec<String> = settings()
        .flat_map(|s| [format!("[{}]\n", s.section), format!("[[{}]]\n", s.section), format!("{} = ", s.key)])
        .chain(
            [
                "\n",
                "\"",
                "'",
                "{ env = \"A\" }",
                "{ file = \"~/a\" }",
                "{",
                "}",
                "[",
                "]",
                ",",
                "=",
                "\"5s\"\n",
            ]
            .map(str::to_owned),
        )
        .chain(
            [
                "\"8KiB\"\n",
                "true\n",
                "1\n",
                "-1\n",
                "1.5\n",
                "\"/a/*\"\n",
                "\"auto\"\n",
                "ä",
                "\r\n",
                "#",
                "\u{feff}",
            ]
            .map(str::to_owned),
        )
        .collect();
    proptest::collection::vec(proptest::sample::select(words), 0..40).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in any::<String>()) {
        let _ = read(&text);
    }

    #[test]
    fn no_plausible_text_makes_the_reader_panic_and_every_problem_is_inside_of_it(text in plausible()) {
        if let Err(problems) = read(&text) {
            let lines = text.split('\n').count();
            for problem in &problems {
                if let Place::Spot { line, column, .. } = problem.place() {
                    prop_assert!((1..=lines).contains(line), "{problem}");
                    let width = text.split('\n').nth(line - 1).unwrap_or_default().chars().count();
                    prop_assert!((1..=width + 1).contains(column), "{problem} in {text:?}");
                }
            }
        }
    }

    #[test]
    fn no_value_of_any_setting_makes_the_reader_panic(
        nth in any::<proptest::sample::Index>(),
        value in prop_oneof![any::<String>().prop_map(|text| format!("{text:?}")), plausible()],
    ) {
        let settings: Vec<_> = settings().collect();
        let setting = settings[nth.index(settings.len())];
        let _ = read(&format!("[{}]\n{} = {value}", setting.section, setting.key));
        let _ = read_with("", &[(&setting.variable(), &value.replace('\0', ""))], &[]);
        let name = format!("{}.{}", setting.section, setting.key);
        let _ = read_with("", &[], &[("--it", &name, &value)]);
    }
}
