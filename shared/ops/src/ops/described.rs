//! What every op with parameters says in the same way.

/// Parameters of an op, as a graph's file has them.
macro_rules! parameters {
    ($(#[$about:meta])* pub struct $name:ident { $($fields:tt)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name { $($fields)* }
    };
}

/// The name, the number of inputs, the bound and the meaning of an op, within its `impl Operator`.
macro_rules! described {
    ($name:literal, $arity:expr, $bound:expr, $meaning:literal) => {
        fn name(&self) -> &'static str {
            $name
        }

        fn meaning(&self) -> &'static str {
            $meaning
        }

        fn arity(&self) -> $crate::Arity {
            $arity
        }

        fn bound(&self) -> $crate::Bound {
            $bound
        }
    };
}

pub(super) use {described, parameters};
