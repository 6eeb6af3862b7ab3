//! placeholder

pub mod plan;
