//! The program's own code, of which most runs at the start and then never again.

/// Gives the kernel back the pages of the program's code; how many bytes of it were mapped.
///
/// They are the file's, and are fetched again, from the kernel's cache, where they are used again. The kernel maps many
/// around each that is used, so that reading arguments and a configuration leaves some MiB that nobody needs. Does
/// nothing, and says 0, where there is no `/proc/self/maps`.
pub fn give_back_code() -> usize {
    code()
        .into_iter()
        .filter(|(begin, end)| forget(*begin, end - begin))
        .map(|(begin, end)| end - begin)
        .sum()
}

/// Where the executable's code is.
fn code() -> Vec<(usize, usize)> {
    let Ok(maps) = std::fs::read_to_string("/proc/self/maps") else { return Vec::new() };
    let Ok(program) = std::env::current_exe() else { return Vec::new() };
    maps.lines()
        .filter(|line| program.to_str().is_some_and(|path| line.ends_with(path)))
        .filter_map(place)
        .collect()
}

/// Begin and end of one line of `/proc/self/maps`, if it is code that is the file's alone: executable, private, and
/// never writable.
fn place(line: &str) -> Option<(usize, usize)> {
    let mut words = line.split_ascii_whitespace();
    let (begin, end) = words.next()?.split_once('-')?;
    let address = |hex| usize::from_str_radix(hex, 16).ok();
    (words.next()? == "r-xp").then_some((address(begin)?, address(end)?))
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "a call into the C library, about memory by its address")]
fn forget(begin: usize, bytes: usize) -> bool {
    let begin = std::ptr::with_exposed_provenance_mut(begin);
    // SAFETY: the pages are mapped from the program's file and nobody can write to them: what is read there afterwards
    // is what was there before.
    unsafe { libc::madvise(begin, bytes, libc::MADV_DONTNEED) == 0 }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn forget(_begin: usize, _bytes: usize) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_executable_and_the_files_own_is_given_back() {
        assert_eq!(place("1000-3000 r-xp 00001000 fe:00 12 /a/b"), Some((0x1000, 0x3000)));
        for other in [
            "1000-3000 r--p 0 fe:00 12 /a/b",
            "1000-3000 rwxp 0 fe:00 12 /a/b",
            "1000-3000 r-xs 0 fe:00 1 /a",
            "",
        ] {
            assert_eq!(place(other), None, "{other}");
        }
    }

    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[test]
    fn less_of_the_code_is_resident_afterwards_and_it_still_runs() {
        let resident = || {
            let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
            let ours = smaps.lines().skip_while(|line| place(line).is_none()).skip(1);
            let line = ours.into_iter().find(|line| line.starts_with("Rss:")).unwrap().to_owned();
            line.split_ascii_whitespace().nth(1).unwrap().parse::<usize>().unwrap()
        };
        let before = resident();
        assert!(give_back_code() > 0);
        let after = resident();
        assert!(after < before, "{before} KiB, then {after}");
    }
}
