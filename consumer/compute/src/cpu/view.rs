//! Arrays with strides.

use ops::lower::Windows;
use ops::{DType, Data, Element, Shape, Tensor, with_element};

/// Elements of an array in an order of their own. Index i along an axis is `strides[axis]` elements on.
#[derive(Debug, Clone)]
pub(super) struct View {
    pub data: Data,
    pub shape: Shape,
    pub strides: Vec<isize>,
    /// The place of the first element.
    pub offset: usize,
}

/// The strides of an array without gaps.
fn dense(shape: &Shape) -> Vec<isize> {
    let mut strides = vec![1; shape.rank()];
    for axis in (1..shape.rank()).rev() {
        strides[axis - 1] = strides[axis] * shape.lengths()[axis].max(1) as isize;
    }
    strides
}

impl View {
    pub fn of(tensor: &Tensor) -> Self {
        let shape = tensor.shape().clone();
        Self { data: tensor.data().clone(), strides: dense(&shape), shape, offset: 0 }
    }

    pub fn new<T: Element>(shape: Shape, elements: Vec<T>) -> Self {
        Self { data: T::data(elements), strides: dense(&shape), shape, offset: 0 }
    }

    pub const fn dtype(&self) -> DType {
        self.data.dtype()
    }

    pub fn count(&self) -> usize {
        self.shape.count()
    }

    pub fn lengths(&self) -> &[usize] {
        self.shape.lengths()
    }

    /// Whether its elements follow each other without a gap.
    pub fn is_dense(&self) -> bool {
        let dense = dense(&self.shape);
        let is_same = |axis: usize| self.lengths()[axis] <= 1 || self.strides[axis] == dense[axis];
        self.count() == 0 || (0..self.shape.rank()).all(is_same)
    }

    /// All elements, if they follow each other and are of this type.
    pub fn slice<T: Element>(&self) -> Option<&[T]> {
        let all = T::of(&self.data)?;
        match self.count() {
            // What is taken of an empty array may begin after its end.
            0 => Some(&[]),
            count => self.is_dense().then(|| &all[self.offset..][..count]),
        }
    }

    /// All elements in row-major order.
    pub fn to_vec<T: Element>(&self) -> Vec<T> {
        if let Some(elements) = self.slice::<T>() {
            return elements.to_vec();
        }
        let mut elements = vec![T::default(); self.count()];
        self.read(0, &mut elements);
        elements
    }

    /// The same elements without gaps.
    pub fn compact(self) -> Self {
        if self.is_dense() {
            return self;
        }
        with_element!(self.dtype(), T => Self::new(self.shape.clone(), self.to_vec::<T>()))
    }

    pub fn tensor(self) -> Tensor {
        let shape = self.shape.clone();
        // An array that is a whole one is shared.
        if self.offset == 0 && self.data.len() == self.count() && self.is_dense() {
            return Tensor::new(shape, self.data).expect("the shape was checked");
        }
        with_element!(self.dtype(), T => Tensor::from_vec(shape, self.to_vec::<T>()).expect("the shape was checked"))
    }

    /// Reads elements in row-major order, from the `from`th on, as many as there is room for.
    pub fn read<T: Element>(&self, from: usize, into: &mut [T]) {
        let all = T::of(&self.data).expect("a view is read as its type");
        if into.is_empty() {
            return;
        }
        if self.is_dense() {
            return into.copy_from_slice(&all[self.offset + from..][..into.len()]);
        }
        let lengths = self.lengths();
        let last = lengths.len() - 1;
        // The index of the first element, and its place.
        let (mut index, mut rest) = (vec![0; lengths.len()], from);
        for axis in (0..lengths.len()).rev() {
            index[axis] = rest % lengths[axis];
            rest /= lengths[axis];
        }
        let mut written = 0;
        while written < into.len() {
            let place =
                index.iter().zip(&self.strides).fold(self.offset as isize, |at, (&i, step)| at + i as isize * step);
            let run = (lengths[last] - index[last]).min(into.len() - written);
            let target = &mut into[written..written + run];
            match self.strides[last] {
                0 => target.fill(all[place as usize]),
                1 => target.copy_from_slice(&all[place as usize..][..run]),
                step => {
                    for (n, target) in target.iter_mut().enumerate() {
                        *target = all[(place + n as isize * step) as usize];
                    }
                }
            }
            written += run;
            index[last] += run;
            for axis in (1..lengths.len()).rev() {
                if index[axis] == lengths[axis] {
                    index[axis] = 0;
                    index[axis - 1] += 1;
                }
            }
        }
    }

    pub fn reshape(self, shape: &Shape) -> Self {
        let compact = self.compact();
        Self { strides: dense(shape), shape: shape.clone(), ..compact }
    }

    pub fn permute(self, order: &[usize]) -> Self {
        let lengths: Vec<usize> = order.iter().map(|&axis| self.lengths()[axis]).collect();
        let strides = order.iter().map(|&axis| self.strides[axis]).collect();
        Self { shape: lengths.into(), strides, ..self }
    }

    pub fn broadcast(self, shape: &Shape) -> Self {
        let new = shape.rank() - self.shape.rank();
        let own = self.lengths().iter().zip(&self.strides).zip(&shape.lengths()[new..]);
        let own = own.map(|((&length, &step), &wanted)| if length == wanted { step } else { 0 });
        let strides = std::iter::repeat_n(0, new).chain(own).collect();
        Self { shape: shape.clone(), strides, ..self }
    }

    /// For each axis the first place, the step and the count.
    pub fn runs(self, runs: impl Iterator<Item = (usize, isize, usize)>) -> Self {
        let (mut offset, mut strides, mut lengths) = (self.offset as isize, Vec::new(), Vec::new());
        for ((start, step, count), stride) in runs.zip(&self.strides) {
            // An empty run may start past the end.
            offset += if count == 0 { 0 } else { start as isize * stride };
            strides.push(stride * step);
            lengths.push(count);
        }
        Self { shape: lengths.into(), strides, offset: offset as usize, ..self }
    }

    pub fn windows(self, windows: &Windows, shape: &Shape) -> Self {
        let first = self.shape.rank() - windows.sizes.len();
        let last = &self.strides[first..];
        let outer = last.iter().zip(&windows.strides).map(|(stride, step)| stride * *step as isize);
        let inner = last.iter().zip(&windows.dilations).map(|(stride, step)| stride * *step as isize);
        let strides = self.strides[..first].iter().copied().chain(outer).chain(inner).collect();
        Self { shape: shape.clone(), strides, ..self }
    }

    /// With this axis last, as lines: their number and their length.
    pub fn lines<T: Element>(&self, axis: usize) -> (Vec<T>, usize) {
        let order: Vec<usize> = (0..self.shape.rank()).filter(|&other| other != axis).chain([axis]).collect();
        (self.clone().permute(&order).to_vec(), self.lengths()[axis])
    }
}
