//! Enums whose variants are words of unit files: one list gives the type, its words and both directions.

/// A type whose values are words.
pub trait Keyword: Copy + 'static {
    /// Every word with its value, the default first.
    const ALL: &'static [(&'static str, Self)];
}

/// The value `text` stands for. When `yes` and `no` are words of the type, so are their relatives (`true`, `off`).
#[must_use]
pub fn keyword<T: Keyword>(text: &str) -> Option<T> {
    let named = |word: &str| T::ALL.iter().find(|(name, _)| *name == word).map(|(_, value)| *value);
    named(text).or_else(|| match super::value::boolean(text) {
        Ok(true) => named("yes"),
        Ok(false) => named("no"),
        Err(_) => None,
    })
}

/// `keywords! { /// Doc. Name { First = "first", Second = "second" } }`: the first one is the default.
macro_rules! keywords {
    ($($(#[$meta:meta])* $name:ident { $first:ident = $first_word:literal $(, $variant:ident = $word:literal)* $(,)? })+) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name {
            #[doc = concat!("`", $first_word, "`")]
            #[default]
            $first,
            $(#[doc = concat!("`", $word, "`")] $variant,)*
        }

        impl $name {
            /// Every word, the default first.
            pub const WORDS: &'static [&'static str] = &[$first_word $(, $word)*];

            /// The word of unit files.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $name::$first => $first_word,
                    $($name::$variant => $word,)*
                }
            }
        }

        impl $crate::spec::keyword::Keyword for $name {
            const ALL: &'static [(&'static str, Self)] =
                &[($first_word, $name::$first) $(, ($word, $name::$variant))*];
        }
    )+};
}
pub(crate) use keywords;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::isolation::ProtectHome as Home;

    #[test]
    fn words_are_read_and_written_and_booleans_have_relatives() {
        assert_eq!(keyword("read-only"), Some(Home::ReadOnly));
        assert_eq!((keyword("on"), keyword("0")), (Some(Home::Yes), Some(Home::No)));
        assert_eq!(keyword::<Home>("readonly"), None);
        assert_eq!((Home::default(), Home::ReadOnly.as_str()), (Home::No, "read-only"));
        assert_eq!(Home::WORDS, ["no", "yes", "read-only", "tmpfs"]);
    }
}
