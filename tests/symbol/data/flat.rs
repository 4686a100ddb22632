// flat.rs - what an index must tell of Rust.
use std::hint::black_box;

trait Shape {
    fn area(&self) -> u64;
}

struct Square(u64);

impl Shape for Square {
    #[inline(never)]
    fn area(&self) -> u64 {
        black_box(self.0) * self.0
    }
}

#[inline(always)]
fn leaf(n: u64) -> u64 {
    black_box(n) + 1
}

#[inline(never)]
fn outer(values: &[u64]) -> u64 {
    values.iter().map(|v| leaf(*v)).sum()
}

fn main() {
    let shapes: Vec<Box<dyn Shape>> = vec![Box::new(Square(3))];
    let all: u64 = shapes.iter().map(|shape| shape.area()).sum();
    black_box(all + outer(&[1, 2, 3]));
}
