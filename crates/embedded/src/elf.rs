//! The two things that keep the carried programs from running where they were not built, put right
//! in their ELF files as they are unpacked.
//!
//! 1. They look for their libraries in a folder of the machine they were built on. A stranger who
//!    made such a folder here could slip his own code in; they are told to look beside themselves.
//! 2. They ask for version 2.38 of glibc. On an older one that request is lowered to the oldest
//!    version there is, which old `fmod` answers itself, and the few functions that an older glibc
//!    lacks altogether come from a small library of ours (`shim.rs`), named as one more need.
//!
//! No byte is moved: strings and table entries are overwritten in place. Anything unexpected is
//! `None`, and a file that is no 64-bit little-endian ELF is left alone.

const SHT_DYNAMIC: usize = 6;
const SHT_GNU_VERNEED: usize = 0x6fff_fffe;
const DT_NULL: usize = 0;
const DT_NEEDED: usize = 1;
const DT_RUNPATH: usize = 0x1d;
const DYNAMIC_ENTRY: usize = 16;

/// Where the carried programs find their libraries, relative to `bin/` and to `lib/`.
const BESIDE_ITSELF: &str = "$ORIGIN/../lib";
/// The version that is asked for and that an older glibc lacks.
pub const TOO_NEW: &str = "GLIBC_2.38";
/// The first version of glibc for x86-64: every glibc library has it.
const OLDEST: &str = "GLIBC_2.2.5";

/// True for the files that this module can read.
pub fn is_elf(file: &[u8]) -> bool {
    file.starts_with(b"\x7fELF\x02\x01")
}

/// Makes `file` look for its libraries beside itself, and load `extra` too when that is given.
pub fn look_beside_itself(file: &mut [u8], extra: Option<&str>) -> Option<()> {
    let Some(dynamic) = sections(file)?.into_iter().find(|section| section.kind == SHT_DYNAMIC)
    else {
        return Some(());
    };
    let strings = section(file, dynamic.link)?.offset;
    let entry = |number: usize| dynamic.offset + number * DYNAMIC_ENTRY;
    let count = dynamic.size / DYNAMIC_ENTRY;
    let tag = |file: &[u8], number: usize| number_at::<8>(file, entry(number));

    let Some(runpath) = (0..count).find(|&number| tag(file, number) == Some(DT_RUNPATH)) else {
        return Some(());
    };
    let old = number_at::<8>(file, entry(runpath) + 8)?;
    let room = text_at(file, strings + old)?.len();
    let mut new = BESIDE_ITSELF.to_owned();
    let name = new.len() + 1;
    if let Some(extra) = extra {
        new.push('\0');
        new.push_str(extra);
    }
    new.push('\0');
    if new.len() > room + 1 {
        return None;
    }
    put(file, strings + old, new.as_bytes())?;

    if extra.is_some() {
        // The linker leaves spare entries; the one after ours must still end the table.
        let end = (0..count).find(|&number| tag(file, number) == Some(DT_NULL))?;
        if end + 1 >= count || tag(file, end + 1) != Some(DT_NULL) {
            return None;
        }
        put(file, entry(end), &(DT_NEEDED as u64).to_le_bytes())?;
        put(file, entry(end) + 8, &((old + name) as u64).to_le_bytes())?;
    }
    Some(())
}

/// Lowers every request for [`TOO_NEW`] to [`OLDEST`].
pub fn lower_glibc(file: &mut [u8]) -> Option<()> {
    for library in required_versions(file)? {
        let Some(oldest) = library.iter().find(|version| version.name == OLDEST) else {
            continue;
        };
        // An entry starts with the hash of the name and has the name's place at 8.
        let hash: [u8; 4] = file.get(oldest.at..oldest.at + 4)?.try_into().ok()?;
        let name: [u8; 4] = file.get(oldest.at + 8..oldest.at + 12)?.try_into().ok()?;
        for new in library.iter().filter(|version| version.name == TOO_NEW) {
            put(file, new.at, &hash)?;
            put(file, new.at + 8, &name)?;
        }
    }
    Some(())
}

/// Whether `file` asks any library for `version`.
#[cfg(test)]
pub fn asks_for(file: &[u8], version: &str) -> Option<bool> {
    Some(required_versions(file)?.iter().flatten().any(|asked| asked.name == version))
}

/// A version that the file asks of a library, and where its entry stands.
struct Version {
    name: String,
    at: usize,
}

/// All versions asked for, one list for each library.
fn required_versions(file: &[u8]) -> Option<Vec<Vec<Version>>> {
    let Some(table) = sections(file)?.into_iter().find(|section| section.kind == SHT_GNU_VERNEED)
    else {
        return Some(Vec::new());
    };
    let strings = section(file, table.link)?.offset;
    let mut libraries = Vec::new();
    let mut library = table.offset;
    for _ in 0..table.info {
        let mut versions = Vec::new();
        let mut at = library + number_at::<4>(file, library + 8)?;
        for _ in 0..number_at::<2>(file, library + 2)? {
            let name = text_at(file, strings + number_at::<4>(file, at + 8)?)?;
            versions.push(Version { name: String::from_utf8_lossy(name).into_owned(), at });
            at += number_at::<4>(file, at + 12)?;
        }
        libraries.push(versions);
        library += number_at::<4>(file, library + 12)?;
    }
    Some(libraries)
}

struct Section {
    kind: usize,
    offset: usize,
    size: usize,
    link: usize,
    info: usize,
}

fn sections(file: &[u8]) -> Option<Vec<Section>> {
    (0..number_at::<2>(file, 0x3c)?).map(|number| section(file, number)).collect()
}

fn section(file: &[u8], number: usize) -> Option<Section> {
    let size_of_one = number_at::<2>(file, 0x3a)?;
    let header = number_at::<8>(file, 0x28)? + number * size_of_one;
    Some(Section {
        kind: number_at::<4>(file, header + 4)?,
        offset: number_at::<8>(file, header + 24)?,
        size: number_at::<8>(file, header + 32)?,
        link: number_at::<4>(file, header + 40)?,
        info: number_at::<4>(file, header + 44)?,
    })
}

/// A number below 2^32; larger ones are wrong in our files, and sums of smaller ones cannot
/// overflow.
fn number_at<const WIDTH: usize>(file: &[u8], at: usize) -> Option<usize> {
    let mut wide = [0_u8; 8];
    wide[..WIDTH].copy_from_slice(file.get(at..at + WIDTH)?);
    u32::try_from(u64::from_le_bytes(wide)).ok().map(|small| small as usize)
}

fn text_at(file: &[u8], at: usize) -> Option<&[u8]> {
    let rest = file.get(at..)?;
    rest.split(|&byte| byte == 0).next()
}

fn put(file: &mut [u8], at: usize, bytes: &[u8]) -> Option<()> {
    file.get_mut(at..at + bytes.len())?.copy_from_slice(bytes);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn this_program() -> Vec<u8> {
        std::fs::read(std::env::current_exe().unwrap()).unwrap()
    }

    #[test]
    fn the_versions_a_program_asks_for_are_read() {
        assert_eq!(asks_for(&this_program(), OLDEST), Some(true));
    }

    #[test]
    fn a_lowered_program_asks_for_nothing_new() {
        let mut program = this_program();
        lower_glibc(&mut program).unwrap();
        assert_eq!(asks_for(&program, TOO_NEW), Some(false));
        assert_eq!(asks_for(&program, OLDEST), Some(true));
    }

    #[test]
    fn a_damaged_file_is_refused_and_nothing_panics() {
        let whole = this_program();
        let header = number_at::<8>(&whole, 0x28).unwrap();
        for length in (0..64).chain([header - 1, header + 1, header + 700, whole.len() - 1]) {
            let mut cut = whole[..length.min(whole.len())].to_vec();
            let _ = look_beside_itself(&mut cut, Some("x"));
            let _ = lower_glibc(&mut cut);
        }
        let mut nonsense = vec![0xff; 4096];
        nonsense[..6].copy_from_slice(b"\x7fELF\x02\x01");
        assert!(lower_glibc(&mut nonsense).is_none());
        assert!(look_beside_itself(&mut nonsense, None).is_none());
    }

    #[test]
    fn only_a_64_bit_little_endian_elf_is_taken_for_one() {
        assert!(is_elf(&this_program()));
        assert!(!is_elf(b""));
        assert!(!is_elf(b"#!/bin/sh"));
        assert!(!is_elf(b"\x7fELF\x01\x01"));
    }
}
