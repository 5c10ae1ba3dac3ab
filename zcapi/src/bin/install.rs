//! Puts the library, its headers, and what pkg-config and CMake look for in place.
//!
//! ```text
//! cargo run --profile capi -p zcapi --bin install -- --prefix /usr/local
//! ```
//!
//! Programs that are linked with `libzmq.so.5` already need the library alone, in a directory that the loader looks at before that of
//! the other one.

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

const USAGE: &str = "usage: install [--prefix DIR] [--libdir DIR] [--destdir DIR]

Installs libzmq.so.5, libzmq.a, zmq.h and what build systems need.
  --prefix DIR   where it will be used (/usr/local)
  --libdir DIR   where libraries are, below the prefix (lib)
  --destdir DIR  put in front of everything that is written, for packages";

/// The version of the interface, which is that of libzmq.
const VERSION: &str = "4.3.5";
/// The full name of the library; the others are links to it.
const LIBRARY: &str = "libzmq.so.5.2.5";
/// That by which programs look for it, and that by which linkers do.
const LINKS: [&str; 2] = ["libzmq.so.5", "libzmq.so"];

struct Arguments {
    prefix: PathBuf,
    libdir: PathBuf,
    destdir: PathBuf,
}

fn main() -> ExitCode {
    let arguments = match parse(env::args().skip(1)) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("install: {error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match install(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("install: {error}");
            ExitCode::FAILURE
        }
    }
}

fn parse(mut from: impl Iterator<Item = String>) -> Result<Option<Arguments>, String> {
    let mut arguments = Arguments {
        prefix: "/usr/local".into(),
        libdir: "lib".into(),
        destdir: PathBuf::new(),
    };
    while let Some(option) = from.next() {
        let (name, value) = match option.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (option, None),
        };
        let to = match name.as_str() {
            "--help" | "-h" => return Ok(None),
            "--prefix" => &mut arguments.prefix,
            "--libdir" => &mut arguments.libdir,
            "--destdir" => &mut arguments.destdir,
            other => return Err(format!("there is no option {other}")),
        };
        let value = value
            .or_else(|| from.next())
            .ok_or_else(|| format!("{name} needs a value"))?;
        *to = value.into();
    }
    // Build systems are told of it, wherever they run.
    arguments.prefix = std::path::absolute(&arguments.prefix).map_err(|error| error.to_string())?;
    Ok(Some(arguments))
}

fn install(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let built = built()?;
    let libraries = arguments.prefix.join(&arguments.libdir);
    let headers = arguments.prefix.join("include");
    let place = Place(&arguments.destdir);

    place.copy(&built.join("libzmq.so"), &libraries.join(LIBRARY))?;
    for link in LINKS {
        place.link(LIBRARY, &libraries.join(link))?;
    }
    place.copy(&built.join("libzmq.a"), &libraries.join("libzmq.a"))?;
    place.write(&headers.join("zmq.h"), include_str!("../../include/zmq.h"))?;
    place.write(
        &headers.join("zmq_utils.h"),
        include_str!("../../include/zmq_utils.h"),
    )?;
    place.write(
        &libraries.join("pkgconfig/libzmq.pc"),
        &pkg_config(arguments),
    )?;
    let cmake = libraries.join("cmake/ZeroMQ");
    place.write(&cmake.join("ZeroMQConfig.cmake"), CMAKE_CONFIG)?;
    place.write(&cmake.join("ZeroMQConfigVersion.cmake"), CMAKE_VERSION)?;
    Ok(())
}

/// Where cargo has put what it has built together with this program.
fn built() -> Result<PathBuf, Box<dyn Error>> {
    let program = env::current_exe()?;
    let beside = program.parent().ok_or("this program lies nowhere")?;
    let candidates = [beside.to_path_buf(), beside.join("deps")];
    let has_all = |at: &&PathBuf| {
        ["libzmq.so", "libzmq.a"]
            .iter()
            .all(|name| at.join(name).exists())
    };
    // The newest: beside the program there may be those of an earlier build.
    let built_at = |at: &&PathBuf| {
        fs::metadata(at.join("libzmq.so"))
            .and_then(|file| file.modified())
            .ok()
    };
    let found = candidates.iter().filter(has_all).max_by_key(built_at);
    Ok(found.ok_or("libzmq.so and libzmq.a are not beside this program: run it with `cargo run -p zcapi --bin install`")?.clone())
}

/// What is put in front of everything that is written.
struct Place<'a>(&'a Path);

impl Place<'_> {
    /// Where to write what will be there.
    fn of(&self, path: &Path) -> Result<PathBuf, Box<dyn Error>> {
        let to = if self.0.as_os_str().is_empty() {
            path.to_path_buf()
        } else {
            self.0.join(path.strip_prefix("/").unwrap_or(path))
        };
        if let Some(directory) = to.parent() {
            fs::create_dir_all(directory)
                .map_err(|error| format!("{}: {error}", directory.display()))?;
        }
        // A program may be running with what was there: it keeps that.
        if to.symlink_metadata().is_ok() {
            fs::remove_file(&to).map_err(|error| format!("{}: {error}", to.display()))?;
        }
        println!("{}", to.display());
        Ok(to)
    }

    fn copy(&self, from: &Path, path: &Path) -> Result<(), Box<dyn Error>> {
        let to = self.of(path)?;
        fs::copy(from, &to).map_err(|error| format!("{}: {error}", to.display()))?;
        Ok(())
    }

    fn write(&self, path: &Path, text: &str) -> Result<(), Box<dyn Error>> {
        let to = self.of(path)?;
        fs::write(&to, text).map_err(|error| format!("{}: {error}", to.display()).into())
    }

    fn link(&self, target: &str, path: &Path) -> Result<(), Box<dyn Error>> {
        let to = self.of(path)?;
        std::os::unix::fs::symlink(target, &to)
            .map_err(|error| format!("{}: {error}", to.display()).into())
    }
}

fn pkg_config(arguments: &Arguments) -> String {
    let (prefix, libdir) = (arguments.prefix.display(), arguments.libdir.display());
    format!(
        "prefix={prefix}
exec_prefix=${{prefix}}
libdir=${{prefix}}/{libdir}
includedir=${{prefix}}/include

Name: libzmq
Description: The interface of libzmq on top of zlayers
Version: {VERSION}
Libs: -L${{libdir}} -lzmq
Libs.private: -lpthread -ldl -lm
Cflags: -I${{includedir}}
"
    )
}

/// The targets that libzmq's own files define.
const CMAKE_CONFIG: &str = r#"# Where libzmq is: the targets libzmq and libzmq-static.
get_filename_component(_zmq_libdir "${CMAKE_CURRENT_LIST_DIR}/../.." ABSOLUTE)
get_filename_component(PACKAGE_PREFIX_DIR "${_zmq_libdir}/.." ABSOLUTE)
find_path(ZeroMQ_INCLUDE_DIR zmq.h PATHS "${PACKAGE_PREFIX_DIR}/include" NO_DEFAULT_PATH)
set(ZeroMQ_LIBRARY "${_zmq_libdir}/libzmq.so")
set(ZeroMQ_STATIC_LIBRARY "${_zmq_libdir}/libzmq.a")
set(ZeroMQ_FOUND ON)

if(NOT TARGET libzmq)
  add_library(libzmq SHARED IMPORTED)
  set_target_properties(libzmq PROPERTIES
    IMPORTED_LOCATION "${ZeroMQ_LIBRARY}"
    IMPORTED_SONAME "libzmq.so.5"
    INTERFACE_INCLUDE_DIRECTORIES "${ZeroMQ_INCLUDE_DIR}")
endif()
if(NOT TARGET libzmq-static)
  add_library(libzmq-static STATIC IMPORTED)
  set_target_properties(libzmq-static PROPERTIES
    IMPORTED_LOCATION "${ZeroMQ_STATIC_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${ZeroMQ_INCLUDE_DIR}"
    INTERFACE_LINK_LIBRARIES "pthread;dl;m")
endif()
"#;

const CMAKE_VERSION: &str = r#"# Compatible with every version of the same first number that is not newer.
set(PACKAGE_VERSION "4.3.5")
if(PACKAGE_VERSION VERSION_LESS PACKAGE_FIND_VERSION)
  set(PACKAGE_VERSION_COMPATIBLE FALSE)
elseif(PACKAGE_FIND_VERSION_MAJOR STREQUAL "4")
  set(PACKAGE_VERSION_COMPATIBLE TRUE)
  if(PACKAGE_FIND_VERSION STREQUAL PACKAGE_VERSION)
    set(PACKAGE_VERSION_EXACT TRUE)
  endif()
else()
  set(PACKAGE_VERSION_COMPATIBLE FALSE)
endif()
"#;
