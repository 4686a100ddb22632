// shelf.rs - shelf WAY crashes in what Rust is made of, by the way that its argument names. For
// tests/interop/test_real_binaries.py, which compares its frames with a debugger's.
use std::collections::BTreeMap;
use std::fmt::Display;

static mut SINK: usize = 0;

trait Holds {
    fn weight(&self, at: *const usize) -> usize;
}

struct Box2<T> {
    inside: T,
    count: usize,
}

impl<T: Display> Holds for Box2<T> {
    #[inline(never)]
    fn weight(&self, at: *const usize) -> usize {
        let read = unsafe { std::ptr::read_volatile(at) };
        read + self.count + self.inside.to_string().len()
    }
}

#[inline(always)]
fn read_through(holder: &dyn Holds, at: *const usize) -> usize {
    holder.weight(at) + 1
}

#[inline(never)]
fn generic<T: Display + Clone>(value: T) -> usize {
    let holder = Box2 { inside: value.clone(), count: 1 };
    let sum = read_through(&holder, 16 as *const usize);
    unsafe { SINK += sum };
    sum
}

#[inline(never)]
fn in_closure() -> usize {
    let mut addresses = vec![3usize, 16, 2];
    addresses.sort_by_key(|&n| if n == 16 { unsafe { *(n as *const usize) } } else { n });
    addresses[0] + 1
}

#[inline(never)]
fn in_iterator() -> usize {
    let ways: BTreeMap<usize, &str> = [(16, "a"), (24, "b")].into_iter().collect();
    let sum: usize = ways.iter().map(|(&at, _)| unsafe { std::ptr::read_volatile(at as *const usize) }).sum();
    sum + 1
}

#[inline(never)]
fn in_panic(values: &[usize], at: usize) -> usize {
    values[at] + 1
}

fn main() {
    let way = std::env::args().nth(1).unwrap_or_default();
    let n = match way.as_str() {
        "generic" => generic("text"),
        "closure" => in_closure(),
        "iterator" => in_iterator(),
        "panic" => in_panic(&[1, 2], way.len()),
        _ => 0,
    };
    std::process::exit(n as i32);
}
