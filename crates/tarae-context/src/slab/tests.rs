use super::*;
use proptest::prelude::*;

#[test]
fn sizes_below_the_floor_are_refused_with_a_reason() {
    let error = StackSize::reserving(64 * 1024).expect_err("too small");
    assert_eq!(
        error.to_string(),
        "a stack of 65536 bytes is too small: guard and thread identity need 128 KiB in all"
    );
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::InvalidInput);
    assert!(StackSize::reserving(usize::MAX).is_err());
    assert!(StackSize::usable(usize::MAX).is_err());
}

#[test]
fn sizes_are_rounded_up_to_a_power_of_two() {
    assert_eq!(StackSize::reserving(128 * 1024).expect("the floor itself"), StackSize::MIN);
    assert_eq!(StackSize::reserving(130 * 1024).expect("in range"), StackSize::DEFAULT);
    assert_eq!(StackSize::usable(0).expect("in range"), StackSize::MIN);
    assert_eq!(StackSize::usable(2 << 20).expect("in range").bytes(), 4 << 20);
}

/// What a test does to the slabs, and to a plain list that says what must be true of them.
#[derive(Clone, Debug)]
enum Step {
    Grow,
    Take,
    GiveBack(prop::sample::Index),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => Just(Step::Grow),
        20 => Just(Step::Take),
        5 => any::<prop::sample::Index>().prop_map(Step::GiveBack),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn slots_never_overlap_and_none_is_lost(steps in prop::collection::vec(step(), 1..400)) {
        let mut slabs = Slabs::new(StackSize::MIN);
        let mut out: Vec<Region> = Vec::new();
        for step in steps {
            match step {
                // A few slabs are enough, and a test should not reserve the whole address space.
                Step::Grow if slabs.slots() < 2_000 => {
                    let before = slabs.slots();
                    slabs.grow().expect("address space");
                    prop_assert!(slabs.slots() > before);
                }
                Step::Grow => {}
                Step::Take => match slabs.take().expect("a guard") {
                    Some(region) => {
                        prop_assert_eq!(region.hi() - region.lo(), StackSize::MIN.bytes());
                        prop_assert_eq!(region.lo() % StackSize::MIN.bytes(), 0);
                        prop_assert!(out.iter().all(|other| other.hi() <= region.lo() || region.hi() <= other.lo()));
                        out.push(region);
                    }
                    None => prop_assert_eq!(out.len(), slabs.slots()),
                },
                Step::GiveBack(index) if !out.is_empty() => {
                    let region = out.swap_remove(index.index(out.len()));
                    slabs.give_back(region);
                }
                Step::GiveBack(_) => {}
            }
            prop_assert_eq!(slabs.handed_out(), out.len());
        }
    }
}

#[test]
fn a_slot_can_be_written_everywhere_above_its_guard() {
    let mut slabs = Slabs::new(StackSize::MIN);
    slabs.grow().expect("address space");
    let region = slabs.take().expect("a guard").expect("a slot");
    for address in (region.floor()..region.hi()).step_by(4096) {
        // SAFETY: The region is ours.
        unsafe { (address as *mut u8).write_volatile(1) };
    }
}
