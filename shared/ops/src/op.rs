//! Ops: everything that a graph may compute.

use serde::{Deserialize, Serialize};

use crate::lower::{Builder, Program, Value};
use crate::{DType, OpError, Shape, ops};

/// How many inputs an op takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arity {
    Exactly(usize),
    /// From so many to so many.
    Between(usize, usize),
    AtLeast(usize),
}

impl Arity {
    pub fn check(self, inputs: usize) -> Result<(), OpError> {
        let (fits, wanted) = match self {
            Self::Exactly(wanted) => (inputs == wanted, format!("{wanted}")),
            Self::Between(least, most) => ((least..=most).contains(&inputs), format!("{least} to {most}")),
            Self::AtLeast(least) => (inputs >= least, format!("at least {least}")),
        };
        if fits { Ok(()) } else { Err(OpError(format!("it takes {wanted} inputs, and has {inputs}"))) }
    }
}

/// How far a float result may be from the reference. Integers and bool are equal in any case.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    /// Equal bit for bit, but that all NaN are one.
    Exact,
    /// Units in the last place of the result.
    Ulps(u32),
    /// For a sum of n products: the error is at most `factor` times n times the type's epsilon times the sum of
    /// the products' absolute values (Higham, Accuracy and Stability of Numerical Algorithms, 2nd
    /// edition, section 3.1).
    Sum { factor: f64 },
    /// Relative to the largest absolute value of the result, in the type's epsilon.
    Largest { epsilons: f64 },
}

/// An op. Its fields are its parameters. A new op is a file with its type and this trait, a line in
/// [`operators!`](crate::operators), and a file with its reference in `packhorse-compute`.
pub trait Operator: std::fmt::Debug + Send + Sync {
    fn name(&self) -> &'static str;

    /// What it gives, for docs/OPS.md. NumPy's function where it says so.
    fn meaning(&self) -> &'static str;

    fn arity(&self) -> Arity;

    fn bound(&self) -> Bound;

    /// The types of its results.
    ///
    /// # Errors
    /// An input has a type that the op has no meaning for.
    fn dtypes(&self, inputs: &[DType]) -> Result<Vec<DType>, OpError>;

    /// The shapes of its results; `None` for one that depends on data.
    ///
    /// # Errors
    /// The shapes or the parameters do not fit.
    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Option<Shape>>, OpError>;

    /// What it is made of. Called after both rules have agreed.
    ///
    /// # Errors
    /// An intermediate array would be too large.
    fn lower(&self, b: &mut Builder, inputs: &[Value]) -> Result<Vec<Value>, OpError>;
}

macro_rules! define {
    ($($group:ident { $($name:ident)* })*) => {
        /// Any op with its parameters. In a graph's file: `{"op": "sum", "axis": 0}`.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "op", rename_all = "snake_case")]
        pub enum Op {
            $($(
                #[allow(missing_docs)]
                $name(ops::$group::$name),
            )*)*
        }

        impl Op {
            pub fn operator(&self) -> &dyn Operator {
                match self {
                    $($(Self::$name(op) => op,)*)*
                }
            }
        }

        $($(
            impl From<ops::$group::$name> for Op {
                fn from(op: ops::$group::$name) -> Self {
                    Self::$name(op)
                }
            }
        )*)*
    };
}
crate::operators!(define);

impl Op {
    pub fn name(&self) -> &'static str {
        self.operator().name()
    }

    /// The types of its results for inputs of these types and shapes. Shapes are unknown (`None`) if one
    /// of an input is, or if they depend on data.
    ///
    /// # Errors
    /// The op cannot be built; the sentence has its name and the types of its inputs.
    pub fn types(&self, inputs: &[(DType, Option<Shape>)]) -> Result<Vec<(DType, Option<Shape>)>, OpError> {
        self.try_types(inputs).map_err(|error| self.error(inputs, &error))
    }

    fn try_types(&self, inputs: &[(DType, Option<Shape>)]) -> Result<Vec<(DType, Option<Shape>)>, OpError> {
        let operator = self.operator();
        operator.arity().check(inputs.len())?;
        let dtypes: Vec<DType> = inputs.iter().map(|(dtype, _)| *dtype).collect();
        let dtypes = operator.dtypes(&dtypes)?;
        let Some(shapes) = inputs.iter().map(|(_, shape)| shape.clone()).collect::<Option<Vec<_>>>() else {
            return Ok(dtypes.into_iter().map(|dtype| (dtype, None)).collect());
        };
        let shapes = operator.shapes(&shapes)?;
        // With one type, all results have it: their number may depend on the shapes.
        let dtypes = if dtypes.len() == 1 { vec![dtypes[0]; shapes.len()] } else { dtypes };
        for (dtype, shape) in dtypes.iter().zip(&shapes) {
            shape.as_ref().map_or(Ok(()), |shape| shape.check(*dtype))?;
        }
        Ok(dtypes.into_iter().zip(shapes).collect())
    }

    fn error(&self, inputs: &[(DType, Option<Shape>)], error: &OpError) -> OpError {
        let of = |(dtype, shape): &(DType, Option<Shape>)| match shape {
            Some(shape) => format!("{dtype}{shape}"),
            None => format!("{dtype}[?]"),
        };
        let of: Vec<String> = inputs.iter().map(of).collect();
        let of = if of.is_empty() { String::new() } else { format!(" of {}", of.join(" and ")) };
        OpError(format!("{}{of}: {error}", self.name()))
    }

    /// What it is made of, for inputs of these types.
    ///
    /// # Errors
    /// See [`Op::types`].
    pub fn lower(&self, inputs: &[(DType, Shape)]) -> Result<Program, OpError> {
        let types: Vec<_> = inputs.iter().map(|(dtype, shape)| (*dtype, Some(shape.clone()))).collect();
        self.types(&types)?;
        let mut builder = Builder::default();
        let input = |(number, (dtype, shape)): (usize, &(DType, Shape))| builder.input(number, *dtype, shape);
        let values: Vec<Value> = inputs.iter().enumerate().map(input).collect();
        let outputs = self.operator().lower(&mut builder, &values).map_err(|error| self.error(&types, &error))?;
        Ok(builder.finish(outputs))
    }
}
