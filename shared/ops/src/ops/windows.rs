//! Convolution and pooling over images, in the layout of PyTorch: `[batch, channels, height, width]`.

use super::described::{described, parameters};
use crate::lower::{Builder, Fold, Value, Windows};
use crate::{Arity, Bound, DType, OpError, Operator, Shape, rule};

/// Two numbers of a height and a width.
type Pair = [usize; 2];

const fn ones() -> Pair {
    [1, 1]
}

/// The number of windows along one axis.
fn windows(length: usize, size: usize, stride: usize, padding: usize, dilation: usize) -> Result<usize, OpError> {
    if size == 0 || stride == 0 || dilation == 0 {
        return Err(OpError::new("sizes, strides and dilations are at least 1"));
    }
    let padded = padding.saturating_mul(2).saturating_add(length);
    let reach = (size - 1).saturating_mul(dilation).saturating_add(1);
    match padded.checked_sub(reach) {
        Some(room) => Ok(room / stride + 1),
        None => Err(OpError(format!("a window of {reach} is larger than the padded length {padded}"))),
    }
}

fn image(shape: &Shape) -> Result<[usize; 4], OpError> {
    <[usize; 4]>::try_from(shape.lengths())
        .map_err(|_| OpError(format!("the shape {shape} is not [batch, channels, height, width]")))
}

fn padded(b: &mut Builder, value: Value, [height, width]: Pair, with: Value) -> Result<Value, OpError> {
    b.pad(value, &[(0, 0), (0, 0), (height, height), (width, width)], with)
}

parameters! {
    /// Convolution.
    #[derive(Copy, Eq)]
    pub struct Conv2d {
        #[serde(default = "ones")]
        pub stride: Pair,
        #[serde(default)]
        pub padding: Pair,
        #[serde(default = "ones")]
        pub dilation: Pair,
        #[serde(default = "one")]
        pub groups: usize,
    }
}

const fn one() -> usize {
    1
}

impl Default for Conv2d {
    fn default() -> Self {
        Self { stride: ones(), padding: [0, 0], dilation: ones(), groups: 1 }
    }
}

impl Operator for Conv2d {
    described! {
        "conv2d", Arity::Between(2, 3), Bound::Sum { factor: 1.0 },
        "Cross-correlation of images `[batch, channels, height, width]` with kernels `[outputs, channels / \
         groups, height, width]`, plus the third input for each output, `torch.nn.functional.conv2d`. Padding \
         is with zeros."
    }

    fn dtypes(&self, inputs: &[DType]) -> Result<Vec<DType>, OpError> {
        rule::refuse(inputs, |dtype| dtype == DType::Bool, "numbers")?;
        Ok(vec![rule::promoted(inputs)])
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Option<Shape>>, OpError> {
        let [batch, channels, height, width] = image(&inputs[0])?;
        let [outputs, inner, rows, columns] = image(&inputs[1])?;
        let groups = self.groups;
        if groups == 0 || inner.checked_mul(groups) != Some(channels) || outputs % groups != 0 {
            return Err(OpError(format!(
                "kernels of the shape {} in {groups} groups do not fit {channels} channels",
                inputs[1]
            )));
        }
        if let Some(bias) = inputs.get(2).filter(|bias| bias.lengths() != [outputs]) {
            return Err(OpError(format!("a bias of the shape {bias} does not fit {outputs} outputs")));
        }
        let along = |axis: usize, length, size| {
            windows(length, size, self.stride[axis], self.padding[axis], self.dilation[axis])
        };
        Ok(vec![Some(Shape::from([batch, outputs, along(0, height, rows)?, along(1, width, columns)?]))])
    }

    fn lower(&self, b: &mut Builder, inputs: &[Value]) -> Result<Vec<Value>, OpError> {
        let dtypes: Vec<DType> = inputs.iter().map(|&input| b.dtype(input)).collect();
        let dtype = rule::promoted(&dtypes);
        let [batch, channels, ..] = image(b.shape(inputs[0]))?;
        let [outputs, inner, rows, columns] = image(b.shape(inputs[1]))?;
        let (images, kernels) = (b.cast(inputs[0], dtype), b.cast(inputs[1], dtype));
        let zero = b.number(0, dtype);
        let images = padded(b, images, self.padding, zero)?;
        let shape =
            Windows { sizes: vec![rows, columns], strides: self.stride.to_vec(), dilations: self.dilation.to_vec() };
        // [batch, channels, y, x, rows, columns] to [batch, groups, y x, inner rows columns]
        let taken = b.windows(images, shape);
        let lengths = b.shape(taken).lengths().to_vec();
        let (height, width) = (lengths[2], lengths[3]);
        let groups = self.groups;
        let apart = Shape::from([batch, groups, channels / groups, height, width, rows, columns]);
        let taken = b.reshape(taken, &apart);
        let taken = b.permute(taken, &[0, 1, 2, 5, 6, 3, 4]);
        let patches = b.reshape(taken, &Shape::from([batch, groups, inner * rows * columns, height * width]));
        let matrix = Shape::from([1, groups, outputs / groups, inner * rows * columns]);
        let kernels = b.reshape(kernels, &matrix);
        let kernels = b.broadcast(kernels, &matrix.with(0, batch));
        let product = b.matmul(kernels, patches);
        let mut result = b.reshape(product, &Shape::from([batch, outputs, height, width]));
        if let Some(&bias) = inputs.get(2) {
            let bias = b.cast(bias, dtype);
            let bias = b.reshape(bias, &Shape::from([outputs, 1, 1]));
            result = b.add2(result, bias)?;
        }
        Ok(vec![result])
    }
}

/// Pooling over windows.
macro_rules! pools {
    ($($name:ident = $text:literal, $bound:expr, $dtype:expr, $lower:expr; $meaning:literal)*) => {$(
        parameters! {
            #[doc = $meaning]
            #[derive(Copy, Eq)]
            pub struct $name {
                /// The height and the width of a window.
                pub kernel_size: Pair,
                /// None: the size of a window.
                #[serde(default)]
                pub stride: Option<Pair>,
                /// At most half a window.
                #[serde(default)]
                pub padding: Pair,
            }
        }

        impl Operator for $name {
            described! { $text, Arity::Exactly(1), $bound, $meaning }

            fn dtypes(&self, inputs: &[DType]) -> Result<Vec<DType>, OpError> {
                rule::refuse(inputs, |dtype| dtype == DType::Bool, "numbers")?;
                let dtype: fn(DType) -> DType = $dtype;
                Ok(vec![dtype(inputs[0])])
            }

            fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Option<Shape>>, OpError> {
                let [batch, channels, height, width] = image(&inputs[0])?;
                let along = |axis: usize, length| {
                    let (size, padding) = (self.kernel_size[axis], self.padding[axis]);
                    if padding > size / 2 {
                        return Err(OpError(format!("padding of {padding} is more than half a window of {size}")));
                    }
                    windows(length, size, self.stride.unwrap_or(self.kernel_size)[axis], padding, 1)
                };
                Ok(vec![Some(Shape::from([batch, channels, along(0, height)?, along(1, width)?]))])
            }

            fn lower(&self, b: &mut Builder, inputs: &[Value]) -> Result<Vec<Value>, OpError> {
                let windows = Windows {
                    sizes: self.kernel_size.to_vec(),
                    strides: self.stride.unwrap_or(self.kernel_size).to_vec(),
                    dilations: vec![1, 1],
                };
                let lower: fn(&mut Builder, Value, Pair, Windows) -> Result<Value, OpError> = $lower;
                Ok(vec![lower(b, inputs[0], self.padding, windows)?])
            }
        }
    )*};
}

pools! {
    MaxPool2d = "max_pool2d", Bound::Exact, |dtype| dtype, |b, value, padding, windows| {
        let dtype = b.dtype(value);
        let least = match dtype {
            DType::I32 => b.number(i64::from(i32::MIN), dtype),
            DType::I64 => b.number(i64::MIN, dtype),
            _ => b.number(f64::NEG_INFINITY, dtype),
        };
        let value = padded(b, value, padding, least)?;
        let taken = b.windows(value, windows);
        Ok(b.reduce(Fold::Max, taken, &[4, 5]))
    };
    "The largest element of each window over images `[batch, channels, height, width]`, \
     `torch.nn.functional.max_pool2d`: NaN if one is NaN. Padding never counts."
    AvgPool2d = "avg_pool2d", Bound::Sum { factor: 1.0 }, DType::to_float, |b, value, padding, windows| {
        let value = b.cast(value, b.dtype(value).to_float());
        let zero = b.number(0, b.dtype(value));
        let value = padded(b, value, padding, zero)?;
        let taken = b.windows(value, windows);
        b.mean(taken, &[4, 5])
    };
    "The mean of each window over images `[batch, channels, height, width]`, `torch.nn.functional.avg_pool2d`: \
     the zeros of the padding count. float64 of integers."
}
