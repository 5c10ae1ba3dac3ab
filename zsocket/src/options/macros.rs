//! What is made of an option's entry: the setter and the getter of sockets, the method of the builder, and what is
//! known about it at run time.

/// The names and the number of libzmq, if it has the option.
macro_rules! zmq {
    () => {
        None
    };
    ($name:literal $number:literal) => {
        Some(crate::options::registry::Zmq {
            name: $name,
            number: $number,
            none: None,
        })
    };
    ($name:literal $number:literal $none:literal) => {
        Some(crate::options::registry::Zmq {
            name: $name,
            number: $number,
            none: Some($none),
        })
    };
}

/// What is given, or what goes without saying.
macro_rules! given {
    ($default:expr;) => {
        $default
    };
    ($default:expr; $given:expr) => {
        $given
    };
}

/// Options of all sockets that have an ability, kept in [`SocketOptions`](crate::options::SocketOptions).
///
/// Of each: its constant, its name (which is that of the builder's method), setter and getter, its type, what it is
/// in libzmq, when it counts and what the socket does then, where it is kept, and if not the value itself is kept,
/// what; what is allowed, and an example.
macro_rules! common {
    ($(#[doc = $about:literal])+ $group:ident for $ability:ident $types:ident { $(
        $(#[doc = $doc:literal])+
        $id:ident = $name:ident / $setter:ident / $getter:ident: $type:ty,
        $(zmq $zmq:literal $number:literal $(none $none:literal)?,)?
        when $effect:ident $(then $then:ident)?,
        at |$options:ident| $place:expr
        $(, store |$stored:ident| $store:expr)?
        $(, check |$value:ident| $valid:expr => $expected:literal)?
        $(, example { $(#[doc = $example:literal])+ })?
        ;
    )+ }) => {
        pub(super) static $group: &[&crate::options::registry::Entry] = &[$(&$name::ENTRY),+];

        $(
            pub(super) mod $name {
                #[allow(unused_imports, reason = "not every option needs all of them")]
                use super::*;
                use crate::{
                    Error,
                    options::{
                        SocketOptions,
                        registry::{Access, Effect, Entry, Target, Then},
                        value::Typed,
                    },
                };

                pub(crate) static ENTRY: Entry = Entry {
                    name: stringify!($name),
                    zmq: zmq!($($zmq $number $($none)?)?),
                    kind: <$type as Typed>::KIND,
                    is_optional: <$type as Typed>::IS_OPTIONAL,
                    range: given!(<$type as Typed>::RANGE; $($expected)?),
                    types: &$types,
                    effect: Effect::$effect,
                    access: Access::ReadWrite,
                    then: given!(Then::Nothing; $(Then::$then)?),
                    documentation: concat!($($doc, "\n"),+),
                    read: |from| Ok(read(from.options).into_value()),
                    write: |to, value| write(to, ENTRY.typed(value)?),
                };

                pub(crate) fn read($options: &SocketOptions) -> $type {
                    $place.clone()
                }

                pub(crate) fn write(to: Target<'_>, value: $type) -> Result<(), Error> {
                    $(
                        let $value = &value;
                        if !$valid {
                            return Err(ENTRY.out_of_range());
                        }
                    )?
                    $(
                        let $stored = value;
                        let value = $store;
                    )?
                    let $options = to.options;
                    $place = value;
                    Ok(())
                }
            }
        )+

        impl crate::OptionId {
            $(
                #[doc = concat!("[`Socket::", stringify!($setter), "`](crate::Socket::", stringify!($setter), ").")]
                pub const $id: Self = Self(&$name::ENTRY);
            )+
        }

        $(#[doc = $about])+
        impl<P: crate::$ability> crate::Socket<P> {
            $(
                $(#[doc = $doc])+
                ///
                /// # Errors
                ///
                /// [`InvalidOption::Value`](crate::InvalidOption::Value) if the value is not allowed, and nothing has
                /// changed then.
                $(
                    ///
                    $(#[doc = $example])+
                )?
                pub fn $setter(&self, value: $type) -> Result<(), crate::Error> {
                    self.with_core(|core| core.set_option(&$name::ENTRY, |to| $name::write(to, value)))
                }

                #[doc = concat!("The value that [`", stringify!($setter), "`](Self::", stringify!($setter), ") sets.")]
                #[must_use]
                pub fn $getter(&self) -> $type {
                    self.with_core(|core| $name::read(&core.options))
                }
            )+
        }

        $(#[doc = $about])+
        impl<P: crate::$ability> crate::SocketBuilder<P> {
            $(
                $(#[doc = $doc])+
                ///
                /// The value is checked by [`build`](Self::build).
                #[must_use]
                pub fn $name(self, value: $type) -> Self {
                    self.with_option(&$name::ENTRY, |to| $name::write(to, value))
                }
            )+
        }
    };
}

/// Options that only some patterns have, kept in their state.
///
/// As with `common!`, and: the arguments of the setter, with what is made of them if that is not the first one; the
/// types that have it; and the part of the pattern where it is kept, or how it is read and written there.
macro_rules! special {
    ($(#[doc = $about:literal])+ $group:ident for $ability:ident { $(
        $(#[doc = $doc:literal])+
        $id:ident = $name:ident
            / $setter:ident($($arg:ident: $arg_type:ty),+ $(=> $convert:expr)?)
            / $getter:ident: $type:ty,
        $(zmq $zmq:literal $number:literal $(none $none:literal)?,)?
        of $($socket_type:ident)|+,
        when $effect:ident
        $(, part |$pattern:ident| $part:expr)?
        $(, get |$read:ident| $get:expr, set |$written:ident, $new:ident| $set:expr)?
        $(, store |$stored:ident| $store:expr)?
        $(, check |$value:ident| $valid:expr => $expected:literal)?
        $(, errors $errors:literal)?
        ;
    )+ }) => {
        pub(super) static $group: &[&crate::options::registry::Entry] = &[$(&$name::ENTRY),+];

        $(
            pub(super) mod $name {
                #[allow(unused_imports, reason = "not every option needs all of them")]
                use super::*;
                use crate::{
                    Error, SocketType,
                    options::{
                        registry::{Access, Effect, Entry, Target, Then},
                        value::Typed,
                    },
                };

                pub(crate) static ENTRY: Entry = Entry {
                    name: stringify!($name),
                    zmq: zmq!($($zmq $number $($none)?)?),
                    kind: <$type as Typed>::KIND,
                    is_optional: <$type as Typed>::IS_OPTIONAL,
                    range: given!(<$type as Typed>::RANGE; $($expected)?),
                    types: &[$(SocketType::$socket_type),+],
                    effect: Effect::$effect,
                    access: Access::ReadWrite,
                    then: Then::Nothing,
                    documentation: concat!($($doc, "\n"),+),
                    read: |from| read(from).map(Typed::into_value),
                    write: |to, value| write(to, ENTRY.typed(value)?),
                };

                pub(crate) fn read(from: Target<'_>) -> Result<$type, Error> {
                    $(
                        let $pattern = from.pattern;
                        let place: Option<&mut $type> = $part;
                        let value = place.map(|place| place.clone());
                    )?
                    $(
                        let $read = from.pattern;
                        let value: Option<$type> = $get;
                    )?
                    value.ok_or_else(|| ENTRY.not_of(from.socket_type))
                }

                pub(crate) fn write(to: Target<'_>, value: $type) -> Result<(), Error> {
                    $(
                        let $value = &value;
                        if !$valid {
                            return Err(ENTRY.out_of_range());
                        }
                    )?
                    $(
                        let $stored = value;
                        let value: $type = $store;
                    )?
                    $(
                        let $pattern = to.pattern;
                        let place: Option<&mut $type> = $part;
                        let done = place.map(|place| {
                            *place = value;
                            Ok(())
                        });
                    )?
                    $(
                        let ($written, $new) = (to.pattern, value);
                        let done: Option<Result<(), Error>> = $set;
                    )?
                    done.unwrap_or_else(|| Err(ENTRY.not_of(to.socket_type)))
                }
            }
        )+

        impl crate::OptionId {
            $(
                #[doc = concat!("[`Socket::", stringify!($setter), "`](crate::Socket::", stringify!($setter), ").")]
                pub const $id: Self = Self(&$name::ENTRY);
            )+
        }

        $(#[doc = $about])+
        impl<P: crate::$ability> crate::Socket<P> {
            $(
                $(#[doc = $doc])+
                ///
                /// # Errors
                ///
                $(#[doc = $errors])?
                /// [`InvalidOption::NotOfType`](crate::InvalidOption::NotOfType) if the type has no such option.
                pub fn $setter(&self, $($arg: $arg_type),+) -> Result<(), crate::Error> {
                    let value = argument!($($arg),+ $(=> $convert)?);
                    self.with_core(|core| core.set_option(&$name::ENTRY, |to| $name::write(to, value)))
                }

                #[doc = concat!("The value that [`", stringify!($setter), "`](Self::", stringify!($setter), ") sets.")]
                ///
                /// # Errors
                ///
                /// [`InvalidOption::NotOfType`](crate::InvalidOption::NotOfType) if the type has no such option.
                pub fn $getter(&self) -> Result<$type, crate::Error> {
                    self.with_core(|core| core.read_option(&$name::ENTRY, $name::read))
                }
            )+
        }

        $(#[doc = $about])+
        impl<P: crate::$ability> crate::SocketBuilder<P> {
            $(
                $(#[doc = $doc])+
                ///
                /// The value is checked by [`build`](Self::build).
                #[must_use]
                pub fn $name(self, $($arg: $arg_type),+) -> Self {
                    let value = argument!($($arg),+ $(=> $convert)?);
                    self.with_option(&$name::ENTRY, |to| $name::write(to, value))
                }
            )+
        }
    };
}

/// The value that a setter's arguments make.
macro_rules! argument {
    ($arg:ident) => {
        $arg
    };
    ($($arg:ident),+ => $convert:expr) => {
        $convert
    };
}

pub(super) use {argument, common, given, special, zmq};
