//! A pipeline: a ventilator hands out tasks, workers do them, a sink collects what comes out.
//!
//! ```console
//! $ cargo run -p zsocket --example pipeline
//! 100 results, the sum is 328350
//! worker 0 has done 34 tasks
//! …
//! ```
//!
//! It ends by itself. Here all three parts are threads of one process. With `tcp://` endpoints that the others know they may as
//! well be programs on different machines: nothing else changes.

use std::{thread, time::Duration};

use zsocket::{Context, Endpoint, Error, Pull, Push};

const WORKERS: usize = 3;
const TASKS: u64 = 100;

fn main() -> Result<(), Error> {
    let context = Context::new();

    // The two ends that stay where they are bind; workers, which may come and go, connect.
    let ventilator = context.socket::<Push>()?;
    let tasks = ventilator.bind("tcp://127.0.0.1:*")?;
    let sink = context.socket::<Pull>()?;
    let results = sink.bind("tcp://127.0.0.1:*")?;

    let workers: Vec<_> = (0..WORKERS)
        .map(|_| {
            let (context, tasks, results) = (context.clone(), tasks.clone(), results.clone());
            thread::spawn(move || work(&context, &tasks, &results))
        })
        .collect();

    // Each message goes to the next worker that is there. Who sends before all of them are gives everything to the first.
    ventilator.wait_connected(WORKERS, Duration::from_secs(10))?;
    for task in 0..TASKS {
        ventilator.send(task.to_string())?;
    }

    let mut sum = 0;
    for _ in 0..TASKS {
        sum += number(&sink.recv()?[0]);
    }
    println!("{TASKS} results, the sum is {sum}");
    assert_eq!(sum, (0..TASKS).map(|task| task * task).sum());

    // All is done. The workers wait for tasks: this ends their `recv`.
    context.shutdown();
    for (index, worker) in workers.into_iter().enumerate() {
        let done = worker.join().expect("the worker panicked")?;
        println!("worker {index} has done {done} tasks");
    }
    Ok(())
}

/// Squares numbers until the context is shut down, and returns how many.
fn work(context: &Context, tasks: &Endpoint, results: &Endpoint) -> Result<u64, Error> {
    // A socket is made by the thread that uses it.
    let input = context.socket::<Pull>()?;
    input.connect(tasks)?;
    let output = context.socket::<Push>()?;
    output.connect(results)?;

    let mut done = 0;
    for task in &input {
        match task {
            Ok(task) => {
                let task = number(&task[0]);
                output.send((task * task).to_string())?;
                done += 1;
            }
            Err(Error::Terminated) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

fn number(frame: &zsocket::Frame) -> u64 {
    let text = frame.as_str().expect("what this program sends is text");
    text.parse().expect("and a number")
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_ends_by_itself() {
        super::main().unwrap();
    }
}
