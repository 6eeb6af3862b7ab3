//! Convolution and pooling over images `[batch, channels, height, width]`.

use ops::ops::windows::{AvgPool2d, Conv2d, MaxPool2d};
use ops::{DType, Number, OpError};

use super::arithmetic::larger;
use super::array::{cast, indices, promoted};
use super::fold::sum;
use super::{Array, Reference};

/// The windows over images.
struct Windows {
    size: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
    dilation: [usize; 2],
}

impl Windows {
    /// How many fit along the height (0) or the width (1) of an image.
    fn count(&self, axis: usize, image: &Array) -> usize {
        let padded = image.shape[2 + axis].saturating_add(self.padding[axis].saturating_mul(2));
        let reach = (self.size[axis] - 1) * self.dilation[axis] + 1;
        (padded - reach) / self.stride[axis] + 1
    }

    /// The element of an image at a place of a window; none in the padding.
    fn at(
        &self,
        images: &Array,
        [image, channel]: [usize; 2],
        window: [usize; 2],
        place: [usize; 2],
    ) -> Option<Number> {
        let along = |axis: usize| {
            let padded = window[axis] * self.stride[axis] + place[axis] * self.dilation[axis];
            padded.checked_sub(self.padding[axis]).filter(|&at| at < images.shape[2 + axis])
        };
        Some(images.at(&[image, channel, along(0)?, along(1)?]))
    }
}

impl Reference for Conv2d {
    fn evaluate(&self, inputs: &[Array]) -> Result<Vec<Array>, OpError> {
        let inputs = promoted(inputs);
        let (images, kernels) = (&inputs[0], &inputs[1]);
        let size = [kernels.shape[2], kernels.shape[3]];
        let windows = Windows { size, stride: self.stride, padding: self.padding, dilation: self.dilation };
        let (outputs, channels) = (kernels.shape[0], kernels.shape[1]);
        let shape = [images.shape[0], outputs, windows.count(0, images), windows.count(1, images)];
        let zero = cast(Number::Int(0), images.dtype);
        Ok(vec![Array::from_fn(images.dtype, &shape, |index| {
            let [image, output, window @ ..] = [index[0], index[1], index[2], index[3]];
            let group = output / (outputs / self.groups);
            let mut total = super::fold::Total::new(images.dtype);
            for place in indices(&kernels.shape[1..]) {
                let channel = group * channels + place[0];
                // The zeros of the padding have products as well, which are NaN with an infinity.
                let element = windows.at(images, [image, channel], window, [place[1], place[2]]).unwrap_or(zero);
                total.add_product(element, kernels.at(&[&[output], &place[..]].concat()));
            }
            if let Some(bias) = inputs.get(2) {
                total.add(bias.at(&[output]));
            }
            total.number()
        })])
    }
}

/// For each window of a pooling op one element. Padding is none.
macro_rules! pools {
    ($($name:ident: $dtype:expr, $pool:expr;)*) => {$(
        impl Reference for $name {
            fn evaluate(&self, inputs: &[Array]) -> Result<Vec<Array>, OpError> {
                let (dtype, pool): (fn(DType) -> DType, fn(&[Option<Number>], DType) -> Number) = ($dtype, $pool);
                let images = inputs[0].cast(dtype(inputs[0].dtype));
                let (size, stride) = (self.kernel_size, self.stride.unwrap_or(self.kernel_size));
                let windows = Windows { size, stride, padding: self.padding, dilation: [1, 1] };
                let shape = [images.shape[0], images.shape[1], windows.count(0, &images), windows.count(1, &images)];
                Ok(vec![Array::from_fn(images.dtype, &shape, |index| {
                    let [image, channel, window @ ..] = [index[0], index[1], index[2], index[3]];
                    let at = |place: Vec<usize>| windows.at(&images, [image, channel], window, [place[0], place[1]]);
                    pool(&indices(&size).map(at).collect::<Vec<_>>(), images.dtype)
                })])
            }
        }
    )*};
}

pools! {
    MaxPool2d: |dtype| dtype, |elements, dtype| {
        let largest = elements.iter().flatten().copied().reduce(larger);
        // A window has no element at all only over an image without elements.
        largest.unwrap_or(match dtype {
            DType::I32 => Number::Int(i64::from(i32::MIN)),
            DType::I64 => Number::Int(i64::MIN),
            _ => Number::Float(f64::NEG_INFINITY),
        })
    };
    AvgPool2d: DType::to_float, |elements, dtype| {
        let known: Vec<Number> = elements.iter().flatten().copied().collect();
        Number::Float(sum(&known, dtype).to_f64() / elements.len() as f64)
    };
}
