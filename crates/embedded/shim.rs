//! What the carried PostgreSQL takes from glibc 2.38 and an older glibc does not have.
//!
//! `build.rs` compiles this file to a small shared library of its own; it is no module of the
//! crate. Only on a machine with an older glibc do the carried programs load it (see
//! `src/elf.rs`). Every function here keeps the contract of its glibc namesake; the `__isoc23_*`
//! ones differ from the old names only in reading `0b101`, which PostgreSQL never writes.
#![no_std]

use core::arch::naked_asm;
use core::ffi::{c_char, c_void};

#[link(name = "c")]
unsafe extern "C" {
    fn strlen(text: *const c_char) -> usize;
    fn memcpy(to: *mut c_void, from: *const c_void, count: usize) -> *mut c_void;
    fn abort() -> !;
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    unsafe { abort() }
}

/// The new name jumps to the old one: same arguments, variadic ones too, same result.
macro_rules! forward {
    ($($new:ident => $old:literal),* $(,)?) => {$(
        #[unsafe(no_mangle)]
        #[unsafe(naked)]
        pub unsafe extern "C" fn $new() {
            naked_asm!(concat!("jmp ", $old, "@PLT"))
        }
    )*};
}

forward! {
    __isoc23_sscanf => "sscanf",
    __isoc23_fscanf => "fscanf",
    __isoc23_strtol => "strtol",
    __isoc23_strtoul => "strtoul",
    __isoc23_strtoll => "strtoll",
    __isoc23_strtoull => "strtoull",
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn strlcpy(to: *mut c_char, from: *const c_char, size: usize) -> usize {
    unsafe {
        let length = strlen(from);
        if size > 0 {
            let copied = if length < size { length } else { size - 1 };
            memcpy(to.cast(), from.cast(), copied);
            *to.add(copied) = 0;
        }
        length
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn strlcat(to: *mut c_char, from: *const c_char, size: usize) -> usize {
    unsafe {
        let mut used = 0;
        while used < size && *to.add(used) != 0 {
            used += 1;
        }
        if used == size {
            return size + strlen(from);
        }
        used + strlcpy(to.add(used), from, size - used)
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn __strlcpy_chk(
    to: *mut c_char,
    from: *const c_char,
    size: usize,
    room: usize,
) -> usize {
    unsafe {
        if size > room {
            abort()
        }
        strlcpy(to, from, size)
    }
}
