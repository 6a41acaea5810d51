//! A value in an object together with its path, for saying what is wrong with it.

use strongroom_objects::{FieldError, Object, Value};

use crate::tree;

/// What is wrong, in the order it was found.
pub(crate) type Errors = Vec<FieldError>;

/// A value, or the place where one is missing.
#[derive(Clone)]
pub(crate) struct Place<'a> {
    pub value: &'a Value,
    pub path: String,
}

impl<'a> Place<'a> {
    /// The member `spec` or `status` of an object.
    pub fn part(object: &'a Object, name: &str) -> Self {
        Self {
            value: tree::part(object, name),
            path: name.to_owned(),
        }
    }

    /// A member.
    pub fn at(&self, name: &str) -> Self {
        Self {
            value: tree::get(self.value, name),
            path: format!("{}.{name}", self.path),
        }
    }

    /// A member that is there.
    pub fn find(&self, name: &str) -> Option<Self> {
        Some(self.at(name)).filter(Self::is_set)
    }

    /// The elements of a list.
    pub fn each(&self, name: &str) -> impl Iterator<Item = Self> + use<'a> {
        let path = format!("{}.{name}", self.path);
        let elements = tree::list(self.value, name).iter().enumerate();
        elements.map(move |(index, value)| Self {
            value,
            path: format!("{path}[{index}]"),
        })
    }

    /// The entries of a map.
    pub fn entries(&self, name: &str) -> impl Iterator<Item = (&'a str, Self)> + use<'a> {
        let path = format!("{}.{name}", self.path);
        tree::entries(self.value, name).map(move |(key, value)| {
            let path = format!("{path}[{key}]");
            (key, Self { value, path })
        })
    }

    pub fn is_set(&self) -> bool {
        !self.value.is_null()
    }

    /// The value as a text; empty where there is none.
    pub fn str(&self) -> &'a str {
        self.value.as_str().unwrap_or_default()
    }

    /// A member as a text; empty where there is none.
    pub fn text(&self, name: &str) -> &'a str {
        tree::text(self.value, name)
    }

    /// A member as an integer.
    pub fn integer(&self, name: &str) -> Option<i64> {
        tree::integer(self.value, name)
    }

    /// A member as a boolean; false where there is none.
    pub fn flag(&self, name: &str) -> bool {
        tree::flag(self.value, name)
    }

    pub fn required(&self, detail: &str, errors: &mut Errors) {
        errors.push(FieldError::required(&self.path, detail));
    }

    pub fn forbidden(&self, detail: &str, errors: &mut Errors) {
        errors.push(FieldError::forbidden(&self.path, detail));
    }

    pub fn duplicate(&self, errors: &mut Errors) {
        errors.push(FieldError::duplicate(&self.path, self.value.clone()));
    }

    pub fn not_found(&self, errors: &mut Errors) {
        errors.push(FieldError::not_found(&self.path, self.str()));
    }

    pub fn invalid(&self, detail: &str, errors: &mut Errors) {
        errors.push(FieldError::invalid(&self.path, self.value.clone(), detail));
    }

    /// Complains about another value than the one that stands here.
    pub fn invalid_as(&self, value: impl Into<Value>, detail: &str, errors: &mut Errors) {
        errors.push(FieldError::invalid(&self.path, value, detail));
    }

    /// One complaint for each problem with the text that stands here.
    pub fn problems(&self, problems: Vec<String>, errors: &mut Errors) {
        for problem in problems {
            self.invalid_as(self.str(), &problem, errors);
        }
    }

    /// Complains unless the text is one of `supported`.
    pub fn one_of(&self, supported: &[&str], errors: &mut Errors) {
        if !supported.contains(&self.str()) {
            errors.push(FieldError::not_supported(&self.path, self.str(), supported));
        }
    }

    /// The same where the text is optional.
    pub fn none_or_one_of(&self, supported: &[&str], errors: &mut Errors) {
        if self.is_set() {
            self.one_of(supported, errors);
        }
    }

    /// Complains unless a text is there that is one of `supported`.
    pub fn required_one_of(&self, supported: &[&str], errors: &mut Errors) {
        if self.str().is_empty() {
            self.required("", errors);
        } else {
            self.one_of(supported, errors);
        }
    }

    /// Complains unless a text is there.
    pub fn required_text(&self, errors: &mut Errors) {
        if self.str().is_empty() {
            self.required("", errors);
        }
    }

    /// Complains about a number below zero.
    pub fn not_negative(&self, errors: &mut Errors) {
        if self.value.as_i64().is_some_and(|number| number < 0) {
            self.invalid("must be greater than or equal to 0", errors);
        }
    }

    /// Complains about a number that is there and outside of `low..=high`.
    pub fn between(&self, low: i64, high: i64, errors: &mut Errors) {
        if let Some(number) = self.value.as_i64()
            && !(low..=high).contains(&number)
        {
            self.invalid(&format!("must be between {low} and {high}, inclusive"), errors);
        }
    }
}
