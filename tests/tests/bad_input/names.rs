//! Names that are not there.

use crate::told;
use fleet_tests::TestFleet;

#[test]
fn a_name_that_is_not_there_is_answered_with_the_nearest_one() {
    let fleet = TestFleet::up();
    crate::settled(&fleet);
    let say = |arguments: &[&str], code: i32, words: &[&str]| told(fleet.fleet(arguments), code, words);

    for verb in [vec!["status"], vec!["logs"], vec!["start", "web"], vec!["nodes", "list"], vec!["token", "create"]] {
        let arguments = [verb, vec!["-e", "develp"]].concat();
        say(&arguments, 2, &["there is no environment named \"develp\"", "did you mean develop?"]);
    }
    for arguments in [vec!["promote", "develp", "test"], vec!["plan", "develp"], vec!["history", "develp"]] {
        say(&arguments, 2, &["there is no environment named \"develp\"", "did you mean develop?"]);
    }
    say(&["promote", "develop", "stagin"], 2, &["did you mean staging?"]);
    say(&["rollback", "stagin", "--reason", "none"], 2, &["did you mean staging?"]);

    say(&["status", "wb"], 1, &["there is no unit wb.service", "did you mean web.service?"]);
    say(&["logs", "wb"], 1, &["there is no unit wb.service", "did you mean web.service?"]);
    say(&["start", "wb", "-e", "develop"], 1, &["\"wb.service\"", "did you mean web.service?"]);
    // Nothing near: no guess, but where to look.
    let far = say(&["status", "nothing-like-it"], 1, &["there is no unit nothing-like-it.service", "`fleet status`"]);
    assert!(!far.stderr.contains("did you mean"), "{}", far.stderr);

    say(
        &["rollback", "develop", "0123456", "--reason", "none"],
        4,
        &["0123456", "never the head", "fleet history develop"],
    );
    say(&["--context", "nowhere", "status"], 2, &["there is no context \"nowhere\"", "there are"]);
    say(&["stats"], 2, &["status"]);
}
