//! The system's allocator, with what is freed overwritten; and what is not needed, given back.
//!
//! Bearers and passwords pass through many buffers that are not ours: a request's head at hyper, a TLS record at
//! rustls, a line of JSON at serde. Each of them is freed sooner or later, and an allocator leaves in freed memory what
//! was written there. So it is wiped here, once, where every one of them has to come by. A crate of its own, since an
//! allocator is a promise to the compiler that cannot be made in safe code; the rest of the house makes none.
//!
//! What is not wiped: what is still held, stacks, and what C code frees by itself.

mod code;

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr;

pub use code::give_back_code;

/// Gives out what the system's allocator gives, and overwrites every byte of it with zero before it goes back.
///
/// `#[global_allocator] static HEAP: heap::Wiping = heap::Wiping;` in a program is all that it takes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wiping;

#[expect(unsafe_code, reason = "an allocator is unsafe to write by its nature")]
// SAFETY: every block is the system's, asked for and given back with the layout that the caller names.
unsafe impl GlobalAlloc for Wiping {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is the one that the system's allocator wants.
        unsafe { System.alloc(layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block is the caller's until this call, as long as its layout says, and nobody's after it.
        unsafe {
            wipe(block, layout.size());
            System.dealloc(block, layout);
        }
    }

    /// Never by the system's `realloc`, which leaves a copy behind where it moves.
    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises a size that is not zero and does not overflow with this alignment; the new block
        // does not overlap the old one, and both are as long as what is copied.
        unsafe {
            let new = System.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !new.is_null() {
                ptr::copy_nonoverlapping(block, new, size.min(layout.size()));
                self.dealloc(block, layout);
            }
            new
        }
    }
}

/// Overwrites a block so that the compiler cannot leave it out, as it does with what is written and then freed.
///
/// # Safety
///
/// The block has to be as long as that, and nobody may be looking at it.
#[inline]
#[expect(unsafe_code, reason = "it writes where a pointer points")]
unsafe fn wipe(block: *mut u8, size: usize) {
    // SAFETY: the caller's promise.
    unsafe { ptr::write_bytes(block, 0, size) };
    barrier(block);
}

/// To the compiler: somebody may look at this memory here.
#[inline]
#[cfg(any(
    target_arch = "x86_64",
    target_arch = "x86",
    target_arch = "aarch64",
    target_arch = "arm",
    target_arch = "riscv64"
))]
#[expect(unsafe_code, reason = "the one barrier that is guaranteed is an empty piece of assembly")]
fn barrier(block: *mut u8) {
    // SAFETY: it does nothing. Without `nomem` it counts as a reader of the memory that it is given.
    unsafe { std::arch::asm!("/* {0} */", in(reg) block, options(nostack, preserves_flags)) };
}

#[inline]
#[cfg(not(any(
    target_arch = "x86_64",
    target_arch = "x86",
    target_arch = "aarch64",
    target_arch = "arm",
    target_arch = "riscv64"
)))]
fn barrier(block: *mut u8) {
    std::hint::black_box(block);
}

/// Gives the kernel back what is free in the heap; whether there was any.
///
/// The C library keeps what was freed, for the next to ask, and after a rush that is much. It walks all of the heap and
/// holds its locks meanwhile, milliseconds for some ten MiB: not for the data path. Does nothing, and says so, where the
/// C library is not glibc.
pub fn give_back() -> bool {
    trim()
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "a call into the C library")]
fn trim() -> bool {
    // SAFETY: it may be called at any time, from any thread.
    unsafe { libc::malloc_trim(0) == 1 }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn trim() -> bool {
    false
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs::File;
    use std::hint::black_box;
    use std::os::unix::fs::FileExt as _;

    use super::*;

    /// What an allocator writes into a block that it keeps: links to the next one.
    const LINKS: usize = 32;

    /// What is at an address, by way of the kernel: the memory is nobody's any more. Nothing where it is not mapped.
    fn at(address: usize, size: usize) -> Vec<u8> {
        let mut bytes = vec![0; size];
        let memory = File::open("/proc/self/mem").expect("there is a /proc");
        match memory.read_exact_at(&mut bytes, address as u64) {
            Ok(()) => bytes,
            Err(_) => Vec::new(),
        }
    }

    fn secrets(bytes: &[u8]) -> usize {
        bytes.iter().skip(LINKS).filter(|byte| **byte == b'S').count()
    }

    /// Writes, frees at once, and looks: as in a function of a program, which the optimiser sees as a whole.
    #[inline]
    #[expect(unsafe_code, reason = "it plays the compiler's part")]
    fn left_by(allocator: &impl GlobalAlloc, size: usize, resized: Option<usize>) -> usize {
        let layout = Layout::from_size_align(size, 8).expect("a layout");
        // SAFETY: every block is given back with its own layout, and not touched afterwards.
        let address = unsafe {
            let block = allocator.alloc(layout);
            // The block's neighbour, so that it is not merged into the top of the heap.
            let beside = allocator.alloc(layout);
            ptr::write_bytes(block, b'S', size);
            // Otherwise nothing would be written in the first place.
            black_box(block);
            let address = block as usize;
            match resized {
                None => allocator.dealloc(block, layout),
                Some(new) => {
                    let block = allocator.realloc(block, layout, new);
                    assert_eq!(block.read(), b'S', "its content comes along");
                    assert_eq!(block.add(size.min(new) - 1).read(), b'S');
                    allocator.dealloc(block, Layout::from_size_align(new, 8).expect("a layout"));
                }
            }
            allocator.dealloc(beside, layout);
            address
        };
        secrets(&at(address, size))
    }

    #[test]
    fn what_is_freed_is_gone_and_without_this_it_is_not() {
        // The search works: the system's own leaves it there.
        assert!(left_by(&System, 1000, None) > 900);
        for size in [64, 100, 1000, 9000, 70_000, 300_000] {
            assert_eq!(left_by(&Wiping, size, None), 0, "{size} bytes");
        }
    }

    #[test]
    fn what_grows_or_shrinks_leaves_nothing_where_it_was() {
        for (size, new) in [(64, 4096), (1000, 8000), (9000, 70_000), (70_000, 9000), (300_000, 600_000)] {
            assert_eq!(left_by(&Wiping, size, Some(new)), 0, "{size} to {new} bytes");
        }
    }

    #[test]
    #[cfg(target_env = "gnu")]
    fn what_is_free_goes_back_to_the_kernel() {
        let resident = || {
            let text = std::fs::read_to_string("/proc/self/statm").expect("there is a /proc");
            text.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).expect("a number") * 4096
        };
        // Many small ones with one in use above them, which keeps the heap from shrinking by itself.
        let many: Vec<_> = (0..4000).map(|_| vec![1_u8; 8000]).collect();
        let last = vec![1_u8; 8000];
        let full = resident();
        drop(many);
        assert!(give_back());
        assert!(resident() + 24_000_000 < full, "{} of {full} bytes", resident());
        drop(last);
    }
}
