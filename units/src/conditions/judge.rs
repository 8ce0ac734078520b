//! All conditions of a unit together: may it start?

use crate::diagnostic::Reason;
use crate::spec::condition::Condition;
use crate::status::Unenforced;

/// What becomes of a start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Met,
    /// It is skipped, and that is no failure; the text names the conditions.
    Skip(String),
    /// It fails; the text names the assertions.
    Fail(String),
}

/// The verdict, and what this host could not tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// Whether the start goes on.
    pub verdict: Verdict,
    /// Conditions without an answer: they count as met, and are listed.
    pub unanswered: Vec<Unenforced>,
}

/// Judges `conditions`, those that skip first, then those that fail. All plain ones must be met, and of those with `|`,
/// if there are any, one. `answer` says whether one holds, its `!` aside: `Ok(Ok(_))`; that it cannot be judged and so
/// is never met: `Ok(Err(why))`; or that the host does not tell: `Err(reason)`.
pub fn judge(
    conditions: &[Condition],
    mut answer: impl FnMut(&Condition) -> Result<Result<bool, String>, Reason>,
) -> Judgement {
    let mut unanswered = Vec::new();
    let mut met = |condition: &Condition| match answer(condition) {
        Ok(Ok(holds)) => holds != condition.negate,
        Ok(Err(_)) => false,
        Err(reason) => {
            unanswered.push(Unenforced { directive: condition.to_string(), reason });
            true
        }
    };
    let unmet = |text: Option<String>, verdict: fn(String) -> Verdict| text.map(verdict);
    let skip = unmet(first_unmet(conditions, false, &mut met), Verdict::Skip);
    let verdict = skip.or_else(|| unmet(first_unmet(conditions, true, &mut met), Verdict::Fail));
    Judgement { verdict: verdict.unwrap_or(Verdict::Met), unanswered }
}

/// What is not met of the conditions, or of the assertions; in the order given, and no further than needed.
fn first_unmet(conditions: &[Condition], assert: bool, met: &mut impl FnMut(&Condition) -> bool) -> Option<String> {
    let mut triggers: Vec<&Condition> = Vec::new();
    let mut triggered = false;
    for condition in conditions.iter().filter(|condition| condition.assert == assert) {
        if !condition.trigger {
            if !met(condition) {
                return Some(format!("{condition} is not met"));
            }
        } else if !triggered {
            triggered = met(condition);
            triggers.push(condition);
        }
    }
    if triggered {
        return None;
    }
    match &*triggers {
        [] => None,
        [one] => Some(format!("{one} is not met")),
        many => {
            let names: Vec<String> = many.iter().map(ToString::to_string).collect();
            Some(format!("none of {} is met", names.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::condition::Subject;

    /// `a`, `!a`, `|a`, `|!a`, in front of it `A` for an assertion; `?` stands for what the host does not tell, `e`
    /// for what cannot be judged, `y` holds, anything else does not.
    fn verdict(text: &str) -> (Verdict, usize, usize) {
        let condition = |word: &str| {
            let (assert, word) = word.strip_prefix('A').map_or((false, word), |rest| (true, rest));
            let (trigger, word) = word.strip_prefix('|').map_or((false, word), |rest| (true, rest));
            let (negate, word) = word.strip_prefix('!').map_or((false, word), |rest| (true, rest));
            Condition { assert, trigger, negate, subject: Subject::Security, argument: word.to_owned() }
        };
        let conditions: Vec<_> = text.split_whitespace().map(condition).collect();
        let mut asked = 0;
        let judgement = judge(&conditions, |condition| {
            asked += 1;
            match condition.argument.as_str() {
                "?" => Err(Reason::new("host", "it does not tell")),
                "e" => Ok(Err("nonsense".to_owned())),
                argument => Ok(Ok(argument == "y")),
            }
        });
        (judgement.verdict, asked, judgement.unanswered.len())
    }

    #[test]
    fn all_plain_conditions_and_one_triggering_must_be_met() {
        for met in ["", "y", "y !n", "|y", "|n |y", "y |n |!n", "Ay", "y Ay A!n", "A|n A|y"] {
            assert_eq!(verdict(met).0, Verdict::Met, "{met}");
        }
        for skipped in ["n", "!y", "y n", "|n", "|n |!y", "y |n", "n |y", "n An", "e", "!e"] {
            assert!(matches!(verdict(skipped).0, Verdict::Skip(_)), "{skipped}");
        }
        for failed in ["An", "y An", "A|n", "A!y", "Ae"] {
            assert!(matches!(verdict(failed).0, Verdict::Fail(_)), "{failed}");
        }
    }

    #[test]
    fn what_the_host_does_not_tell_counts_as_met_and_is_listed() {
        assert_eq!(verdict("? !? y"), (Verdict::Met, 3, 2));
        assert_eq!(verdict("A? An"), (Verdict::Fail("AssertSecurity=n is not met".into()), 2, 1));
    }

    #[test]
    fn nothing_is_asked_for_in_vain() {
        assert_eq!(verdict("n y y").1, 1);
        assert_eq!(verdict("|y |y |y y").1, 2);
        assert_eq!(verdict("n An").1, 1);
    }

    #[test]
    fn the_text_names_what_was_asked() {
        assert_eq!(verdict("!y").0, Verdict::Skip("ConditionSecurity=!y is not met".into()));
        let text = "none of ConditionSecurity=|n, ConditionSecurity=|!y is met";
        assert_eq!(verdict("|n |!y").0, Verdict::Skip(text.into()));
    }
}
