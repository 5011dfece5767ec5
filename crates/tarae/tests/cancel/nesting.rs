//! Deadlines, tokens and shields in any nesting, against a model of which one must report. Nothing depends on how long
//! anything takes: deadlines have passed long ago, or are far away.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use tarae::{CancelToken, deadline};
use tarae_task::Interrupt;

use crate::support::{LIMIT, bounded, runtime};

/// What is around a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layer {
    Shield,
    Deadline { passed: bool },
    Token(Token),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Live,
    Cancelled,
    /// Cancelled by the innermost, between its waits.
    Later,
    /// The same, by way of its parent.
    LaterByParent,
}

/// What the innermost does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    /// Waits, and unwinds if it is interrupted.
    Wait,
    /// Waits as a socket does, which says so once.
    Ask,
    CancelTokens,
    CancelMe,
    /// Swallows what unwinds, as a server does with its handlers.
    WaitCaught,
}

#[derive(Clone, Debug)]
struct Nest {
    layers: Vec<Layer>,
    acts: Vec<Act>,
}

/// What was seen: by the innermost, by each layer, and by the wait after each.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Saw {
    Waited,
    Asked(Option<Interrupt>),
    Caught(bool),
    Layer {
        number: usize,
        ended: Result<(), Interrupt>,
    },
    /// The whole unwound.
    Unwound,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    use Act::{Ask, CancelMe, CancelTokens, Wait, WaitCaught};
    prop::collection::vec(
        prop::sample::select(vec![Wait, Ask, Ask, CancelTokens, CancelMe, WaitCaught]),
        0..6,
    )
}

fn nests() -> impl Strategy<Value = Nest> {
    let layer = prop_oneof![
        Just(Layer::Shield),
        any::<bool>().prop_map(|passed| Layer::Deadline { passed }),
        prop::sample::select(vec![Token::Live, Token::Cancelled, Token::Later, Token::LaterByParent])
            .prop_map(Layer::Token),
    ];
    (prop::collection::vec(layer, 0..7), acts()).prop_map(|(layers, acts)| Nest { layers, acts })
}

/// The program.
struct Program {
    nest: Nest,
    tokens: Vec<(CancelToken, CancelToken)>,
    saw: Vec<Saw>,
}

impl Program {
    fn new(nest: Nest) -> Program {
        let token = |layer: &Layer| {
            let parent = CancelToken::new();
            let token = parent.child();
            if *layer == Layer::Token(Token::Cancelled) {
                token.cancel();
            }
            (parent, token)
        };
        Program { tokens: nest.layers.iter().map(token).collect(), nest, saw: Vec::new() }
    }

    fn run(mut self) -> Vec<Saw> {
        let unwound = catch_unwind(AssertUnwindSafe(|| self.layer(0)));
        if let Err(payload) = unwound {
            assert!(tarae::is_cancelled(&*payload));
            self.saw.push(Saw::Unwound);
        }
        self.saw
    }

    fn layer(&mut self, number: usize) {
        let Some(layer) = self.nest.layers.get(number).copied() else { return self.innermost() };
        let ended = match layer {
            Layer::Shield => {
                tarae::shield(|| self.layer(number + 1));
                Ok(())
            }
            Layer::Deadline { passed } => {
                let hour = Duration::from_secs(3600);
                let at =
                    if passed { Instant::now() - Duration::from_nanos(1) } else { Instant::now() + hour };
                deadline::until(at, || self.layer(number + 1)).map_err(|_| Interrupt::Elapsed)
            }
            Layer::Token(_) => {
                let token = self.tokens[number].1.clone();
                token.run(|| self.layer(number + 1)).map_err(|_| Interrupt::Cancelled)
            }
        };
        self.saw.push(Saw::Layer { number, ended });
        self.wait();
    }

    fn innermost(&mut self) {
        for act in self.nest.acts.clone() {
            match act {
                Act::Wait => self.wait(),
                Act::Ask => {
                    let asked = tarae_task::check();
                    self.saw.push(Saw::Asked(asked.err()));
                }
                Act::CancelTokens => {
                    for (layer, (parent, token)) in self.nest.layers.iter().zip(&self.tokens) {
                        match layer {
                            Layer::Token(Token::Later) => token.cancel(),
                            Layer::Token(Token::LaterByParent) => parent.cancel(),
                            _ => {}
                        }
                    }
                }
                Act::CancelMe => tarae_task::current().iter().for_each(tarae_task::Coroutine::cancel),
                Act::WaitCaught => {
                    let caught = catch_unwind(tarae::yield_now).is_err();
                    self.saw.push(Saw::Caught(caught));
                }
            }
        }
    }

    fn wait(&mut self) {
        tarae::yield_now();
        self.saw.push(Saw::Waited);
    }
}

/// The model: which sources are due is a list, and the rule is looked up in it.
struct Model {
    nest: Nest,
    /// Of each layer, and at the end of the root.
    due: Vec<bool>,
    told: Vec<bool>,
    on_coroutine: bool,
    saw: Vec<Saw>,
}

/// The number of the layer that is unwound to.
struct To(usize);

impl Model {
    fn new(nest: Nest, on_coroutine: bool) -> Model {
        let is_due = |layer: &Layer| match layer {
            Layer::Deadline { passed } => *passed,
            Layer::Token(token) => *token == Token::Cancelled,
            Layer::Shield => false,
        };
        let mut due: Vec<bool> = nest.layers.iter().map(is_due).collect();
        due.push(false);
        Model { told: vec![false; due.len()], due, nest, on_coroutine, saw: Vec::new() }
    }

    fn run(mut self) -> Vec<Saw> {
        if self.layer(0).is_err() {
            self.saw.push(Saw::Unwound);
        }
        self.saw
    }

    /// The outermost that is due, of what who waits inside of this many layers sees.
    fn source(&self, inside: usize) -> Option<usize> {
        let layers = &self.nest.layers[..inside];
        let root = layers.len().max(self.nest.layers.len());
        match layers.iter().rposition(|layer| *layer == Layer::Shield) {
            Some(shield) => (shield..inside).find(|number| self.due[*number]),
            None if self.due[root] => Some(root),
            None => (0..inside).find(|number| self.due[*number]),
        }
    }

    fn interrupt(&self, source: usize) -> Interrupt {
        match self.nest.layers.get(source) {
            Some(Layer::Deadline { .. }) => Interrupt::Elapsed,
            _ => Interrupt::Cancelled,
        }
    }

    fn wait(&mut self, inside: usize) -> Result<(), To> {
        match self.source(inside) {
            Some(source) => Err(To(source)),
            None => {
                self.saw.push(Saw::Waited);
                Ok(())
            }
        }
    }

    fn layer(&mut self, number: usize) -> Result<(), To> {
        if number == self.nest.layers.len() {
            return self.innermost(number);
        }
        let ended = match self.layer(number + 1) {
            Ok(()) => Ok(()),
            Err(To(to)) if to == number => Err(self.interrupt(number)),
            Err(further) => return Err(further),
        };
        self.saw.push(Saw::Layer { number, ended });
        self.wait(number)
    }

    fn innermost(&mut self, inside: usize) -> Result<(), To> {
        for act in self.nest.acts.clone() {
            match act {
                Act::Wait => self.wait(inside)?,
                Act::Ask => match self.source(inside) {
                    Some(source) if std::mem::replace(&mut self.told[source], true) => {
                        return Err(To(source));
                    }
                    source => {
                        let asked = source.map(|source| self.interrupt(source));
                        self.saw.push(Saw::Asked(asked));
                    }
                },
                Act::CancelTokens => {
                    for (layer, due) in self.nest.layers.iter().zip(&mut self.due) {
                        *due |= matches!(layer, Layer::Token(Token::Later | Token::LaterByParent));
                    }
                }
                Act::CancelMe => *self.due.last_mut().expect("the root") |= self.on_coroutine,
                Act::WaitCaught => {
                    let caught = self.source(inside).is_some();
                    self.saw.push(Saw::Caught(caught));
                }
            }
        }
        Ok(())
    }
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() }
}

#[test]
fn the_outermost_that_is_due_reports_on_coroutines() {
    bounded(|| {
        let runtime = Arc::new(runtime(1));
        let mut runner = proptest::test_runner::TestRunner::new(config());
        let held = runner.run(&nests(), |nest| {
            let ours = nest.clone();
            let saw = runtime.spawn(move || Program::new(ours).run()).join();
            let saw = saw.map_err(|_| TestCaseError::fail("it unwound"))?;
            prop_assert_eq!(saw, Model::new(nest, true).run());
            Ok(())
        });
        held.unwrap_or_else(|failure| panic!("{failure}"));
        Arc::into_inner(runtime).expect("ours alone").shutdown_timeout(LIMIT).unwrap();
    });
}

#[test]
fn and_on_kernel_threads() {
    bounded(|| {
        let mut runner = proptest::test_runner::TestRunner::new(config());
        let held = runner.run(&nests(), |nest| {
            prop_assert_eq!(Program::new(nest.clone()).run(), Model::new(nest, false).run());
            Ok(())
        });
        held.unwrap_or_else(|failure| panic!("{failure}"));
    });
}
