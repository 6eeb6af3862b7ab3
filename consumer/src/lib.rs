//! placeholder

pub mod work;
