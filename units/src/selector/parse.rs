//! Text -> selector.

use super::{Requirement, Selector, SelectorError, Test};
use std::collections::BTreeSet;
use std::str::FromStr;

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        let mut parser = Parser { text, offset: 0 };
        let mut requirements = Vec::new();
        parser.skip_space();
        if parser.rest().is_empty() {
            return Ok(Selector::default());
        }
        loop {
            requirements.push(parser.requirement()?);
            if parser.rest().is_empty() {
                return Ok(Selector { requirements });
            }
            if !parser.take(",") {
                return Err(parser.error("a comma must stand between two requirements"));
            }
        }
    }
}

/// A cursor over the text; every method leaves it behind white space.
struct Parser<'a> {
    text: &'a str,
    offset: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.offset..]
    }

    fn skip_space(&mut self) {
        let rest = self.rest();
        self.offset += rest.len() - rest.trim_start().len();
    }

    fn take(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.offset += token.len();
            self.skip_space();
        }
        found
    }

    fn error(&self, message: impl Into<String>) -> SelectorError {
        SelectorError { column: self.text[..self.offset].chars().count() + 1, message: message.into() }
    }

    fn requirement(&mut self) -> Result<Requirement, SelectorError> {
        let negated = self.take("!");
        let key = self.word("a label name")?;
        let test = if negated { Test::Absent } else { self.test()? };
        Ok(Requirement { key, test })
    }

    fn test(&mut self) -> Result<Test, SelectorError> {
        if self.take("!=") {
            return Ok(Test::Differs(self.word("a value")?));
        }
        if self.take("==") || self.take("=") {
            return Ok(Test::Equals(self.word("a value")?));
        }
        let rest = self.rest();
        let operator = &rest[..rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len())];
        match operator {
            "in" => self.take(operator).then(|| self.values()).expect("it stands there").map(Test::In),
            "notin" => self.take(operator).then(|| self.values()).expect("it stands there").map(Test::NotIn),
            "" => Ok(Test::Exists),
            other => Err(self.error(format!("{other:?} is no operator; there are = != in notin"))),
        }
    }

    fn values(&mut self) -> Result<BTreeSet<String>, SelectorError> {
        if !self.take("(") {
            return Err(self.error("a list of values in parentheses must follow"));
        }
        let mut values = BTreeSet::new();
        loop {
            values.insert(self.word("a value")?);
            if self.take(")") {
                return Ok(values);
            }
            if !self.take(",") {
                return Err(self.error("a comma or a closing parenthesis must follow"));
            }
        }
    }

    /// Label names and values: letters, digits and `-_./`, at most 253 bytes, as in Kubernetes.
    fn word(&mut self, what: &str) -> Result<String, SelectorError> {
        let rest = self.rest();
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
        let length = rest.find(|c| !allowed(c)).unwrap_or(rest.len());
        match length {
            0 => {
                let found = rest.chars().next().map_or("the end".to_owned(), |c| format!("{c:?}"));
                Err(self
                    .error(format!("{what} must stand here, not {found} (letters, digits and - _ . / are allowed)")))
            }
            254.. => Err(self.error(format!("{what} has at most 253 characters"))),
            _ => {
                let word = rest[..length].to_owned();
                self.offset += length;
                self.skip_space();
                Ok(word)
            }
        }
    }
}
