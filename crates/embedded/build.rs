//! Packs the carried PostgreSQL into one archive that `src/carried.rs` includes.
//!
//! The binaries are taken as their publisher made them; nothing is altered here. When this build
//! runs on, or for, another kind of machine than x86-64 Linux with glibc, nothing is packed, the
//! cfg `carried_server` stays off, and the crate says at run time that it carries no server.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=shim.rs");
    println!("cargo::rustc-check-cfg=cfg(carried_server)");
    #[cfg(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu"))]
    if std::env::var("TARGET")? == "x86_64-unknown-linux-gnu" {
        packing::pack()?;
        println!("cargo::rustc-cfg=carried_server");
    }
    Ok(())
}

#[cfg(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu"))]
mod packing {
    use std::env;
    use std::error::Error;
    use std::fs;
    use std::hash::{DefaultHasher, Hasher};
    use std::path::{Path, PathBuf};
    use std::process::Command;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use tar::{Builder, Header};

    type Archive = Builder<GzEncoder<Vec<u8>>>;

    const PARTS: [&str; 3] = [
        liboliphaunt_native_linux_x64_gnu_part_001::PAYLOAD_ROOT,
        liboliphaunt_native_linux_x64_gnu_part_002::PAYLOAD_ROOT,
        liboliphaunt_native_linux_x64_gnu_part_003::PAYLOAD_ROOT,
    ];

    pub fn pack() -> Result<(), Box<dyn Error>> {
        let out = PathBuf::from(env::var("OUT_DIR")?);
        let mut archive = Builder::new(GzEncoder::new(Vec::new(), Compression::best()));
        for root in PARTS.map(|part| Path::new(part).join("files")) {
            add_tree(&mut archive, &root.join("runtime"), "")?;
            // We hand these programs on, so their licences go with them.
            add_tree(&mut archive, &root.join("THIRD_PARTY_LICENSES"), "licenses/")?;
        }
        if let Some(shim) = compile_shim(&out)? {
            add(&mut archive, "lib/libatomic-orders-shim.so", &shim)?;
        }
        let packed = archive.into_inner()?.finish()?;

        let mut hasher = DefaultHasher::new();
        hasher.write(&packed);
        println!("cargo::rustc-env=CARRIED_SERVER_DIGEST={:016x}", hasher.finish());
        fs::write(out.join("postgres.tgz"), packed)?;
        Ok(())
    }

    /// Sorted, so that the same files give the same archive.
    fn add_tree(archive: &mut Archive, root: &Path, prefix: &str) -> Result<(), Box<dyn Error>> {
        let mut files = Vec::new();
        list(root, &mut files)?;
        files.sort();
        for file in files {
            let name = file.strip_prefix(root)?.to_string_lossy().into_owned();
            if prefix.is_empty() && !is_needed(&name) {
                continue;
            }
            // One part repeats another's licences; the first one stands.
            add(archive, &format!("{prefix}{name}"), &fs::read(&file)?)?;
        }
        Ok(())
    }

    /// The server and `initdb` with what they load; no client programs, no build files.
    fn is_needed(name: &str) -> bool {
        !(name.starts_with('.')
            || name == "bin/pg_ctl"
            || name.contains("ecpg")
            || name.contains("pgtypes")
            || name == "lib/libpq.so"
            || name.starts_with("lib/libpq.so.5."))
    }

    fn list(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
        if !folder.is_dir() {
            return Ok(());
        }
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                list(&path, files)?;
            } else {
                files.push(path);
            }
        }
        Ok(())
    }

    fn add(archive: &mut Archive, name: &str, content: &[u8]) -> Result<(), Box<dyn Error>> {
        let mut header = Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(if name.starts_with("bin/") { 0o755 } else { 0o644 });
        header.set_mtime(0);
        archive.append_data(&mut header, name, content)?;
        Ok(())
    }

    /// The few functions of glibc 2.38 that an older glibc lacks. Without a working linker the
    /// build goes on; the carried server then asks for glibc 2.38 and says so.
    fn compile_shim(out: &Path) -> Result<Option<Vec<u8>>, Box<dyn Error>> {
        let library = out.join("libatomic-orders-shim.so");
        let mut rustc = Command::new(env::var("RUSTC")?);
        rustc
            .args(["--edition", "2024", "-O", "--crate-type", "cdylib", "--crate-name", "shim"])
            .args(["-C", "panic=abort", "-C", "strip=symbols"])
            .args(["--target", &env::var("TARGET")?]);
        if let Ok(linker) = env::var("RUSTC_LINKER") {
            rustc.arg("-C").arg(format!("linker={linker}"));
        }
        let status = rustc.arg("shim.rs").arg("-o").arg(&library).status()?;
        if status.success() {
            return Ok(Some(fs::read(&library)?));
        }
        println!(
            "cargo::warning=shim.rs did not compile: the carried PostgreSQL will need glibc 2.38"
        );
        Ok(None)
    }
}
