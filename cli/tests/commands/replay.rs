//! `replay`: what it prints, and what it does with files that can't be played.

use super::*;

/// A theft that needs tickets and has none, one with tickets at 60 a day for 3 days, and honest work at 20 a day.
fn with_replays() -> TempDir {
    let dir = with_pack();
    let manner = |id: &str, customers: u64, per_day: u64, tickets: &str| {
        format!(
            "[[manner]]\nid = \"{id}\"\ntitle = \"{id}\"\nstart = \"2026-11-02\"\ncustomers = {customers}\n\
             agents = {{ count = 1, roles = [\"support\"], region = \"US\" }}\n\
             pace = {{ customers_per_job = 1, customers_per_agent_day = {per_day} }}\ntickets = {{ customer_opened = {tickets} }}\n\
             [manner.ask]\nfields = [\"customer.email\"]\npurpose = \"resolve_ticket\"\nchannel = \"ui\"\n\
             destination = {{ kind = \"x\", region = \"US\" }}\n"
        )
    };
    write(
        &dir,
        "pack/replays/theft.toml",
        format!(
            "id = \"theft\"\nkind = \"incident\"\ntitle = \"A theft\"\nyear = 2026\ntaken = {{ customers = 180, published = true }}\n\
             sources = [{{ name = \"x\", url = \"https://example.org\" }}]\n{}{}",
            manner("no-tickets", 180, 180, "0"),
            manner("tickets", 180, 60, "1")
        ),
    );
    write(
        &dir,
        "pack/replays/work.toml",
        format!("id = \"work\"\nkind = \"honest\"\ntitle = \"Work\"\n{}", manner("only", 60, 20, "1")),
    );
    // The new pack knows no employment, kinds or regions: `employed` is the one fact that a replay can't state.
    edit(&dir, "pack/schema.cedarschema", "{ employed: Bool }", "{ employed?: Bool }");
    edit(
        &dir,
        "pack/policies/limits.cedar",
        "unless { principal.employed }",
        "when { principal has employed && !principal.employed }",
    );
    dir
}

#[test]
fn each_incident_is_played_to_its_end() {
    let dir = with_replays();
    let json = run(dir.path(), &["replay", "pack", "--json"]).exits(0).json();
    let found: Vec<&String> = json.as_object().unwrap().keys().collect();
    assert_eq!(found, ["incidents", "honest", "traced", "logs", "decisions", "seconds"]);
    assert_eq!(json["logs"]["verified"], 3);
    assert_eq!(
        json["incidents"],
        serde_json::json!([
            { "id": "theft/no-tickets", "customers_taken": 180, "customers_let_out": 0, "stopped_by": ["no-permit"], "day": 1 },
            // 40 pass each day, between the 24 hours of the day before and those of the next: 40 again.
            { "id": "theft/tickets", "customers_taken": 180, "customers_let_out": 120, "stopped_by": ["F2-daily"], "day": 1 },
        ])
    );
    assert_eq!(json["honest"], serde_json::json!({ "asks": 60, "hindered": 0 }));
    assert_eq!(json["decisions"], 180 + 180 + 60);
    assert!(json["seconds"].as_f64().unwrap() > 0.0);
}

#[test]
fn the_table_shows_what_stopped_each_and_what_did_not() {
    let dir = with_replays();
    run(dir.path(), &["replay", "pack"])
        .exits(0)
        .prints("A theft (no-tickets)")
        .prints("no-permit")
        .prints("F2-daily")
        .prints("honest asks hindered: 0 of 60")
        .prints("audit verify: 3 logs of")
        .prints("420 decisions in");
    edit(&dir, "pack/policies/limits.cedar", "> 40", "> 1000");
    run(dir.path(), &["replay", "pack", "--only", "theft"]).exits(0).prints("NOT STOPPED");
}

#[test]
fn the_outcome_is_the_same_each_time() {
    let dir = with_replays();
    let incidents = || run(dir.path(), &["replay", "pack", "--json"]).exits(0).json()["incidents"].take();
    assert_eq!(incidents(), incidents());
    run(dir.path(), &["replay", "pack", "--svg", "one.svg"]).exits(0);
    run(dir.path(), &["replay", "pack", "--svg", "two.svg"]).exits(0);
    let svg = |file: &str| std::fs::read_to_string(dir.path().join(file)).unwrap();
    assert_eq!(svg("one.svg"), svg("two.svg"));
    assert!(svg("one.svg").starts_with("<svg ") && svg("one.svg").trim_end().ends_with("</svg>"));
    assert!(svg("one.svg").contains("120 let out"));
}

#[test]
fn replays_that_cannot_be_played_say_why() {
    let dir = with_replays();
    let file = "pack/replays/theft.toml";
    let good = std::fs::read_to_string(dir.path().join(file)).unwrap();
    for (from, to, complaint) in [
        ("kind = \"incident\"", "kind = \"theft\"", "unknown variant `theft`"),
        ("year = 2026", "when = 2026", "unknown field `when`"),
        ("taken = {", "taken = { published = true } #", "missing field `customers`"),
        ("customers_per_job = 1,", "customers_per_job = 0,", "`pace.customers_per_job` is 0"),
        ("customer_opened = 0", "customer_opened = 1.5", "`tickets.customer_opened` is 1.5"),
        ("2026-11-02", "2026-11-31", "`start` is `2026-11-31`"),
        ("customer.email", "customer.mail", "names `customer.mail`"),
        ("id = \"tickets\"", "id = \"no-tickets\"", "two manners have the id `no-tickets`"),
    ] {
        assert!(good.contains(from), "no {from}");
        write(&dir, file, good.replacen(from, to, 1));
        run(dir.path(), &["replay", "pack"]).exits(3).complains(complaint);
    }
    write(&dir, file, good.as_bytes());
    edit(&dir, "pack/schema.cedarschema", "{ employed?: Bool }", "{ employed?: Bool, badge: String }");
    run(dir.path(), &["replay", "pack"]).exits(3).complains("the schema demands `Export::Agent.badge`");
}

#[test]
fn without_a_pack_it_says_where_it_looked() {
    let dir = with_pack();
    run(dir.path(), &["replay"]).exits(3).complains("`guest-policies/support-desk`").complains("help:");
    run(dir.path(), &["replay", "pack"]).exits(3).complains("it holds no incidents");
}

#[test]
fn a_replay_that_was_killed_goes_on_and_ends_with_the_same_table() {
    let dir = with_replays();
    let uncut = run(dir.path(), &["replay", "pack", "--json"]).exits(0).json();
    let mut cut = 0;
    for round in 0_u64.. {
        let mut replay = Command::new(env!("CARGO_BIN_EXE_exportgate"))
            .args(["replay", "pack", "--json", "--ledgers", "ledgers"])
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Another point each time, whatever the machine: sooner or later it is done before that.
        let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(50 + 25 * round + u64::from(clock.subsec_nanos()) % 40));
        if replay.try_wait().unwrap().is_some_and(|status| status.success()) {
            break;
        }
        replay.kill().unwrap();
        replay.wait().unwrap();
        cut += 1;
        assert!(cut < 200, "it never ends");
    }
    assert!(cut > 0, "it was never killed");
    let resumed = run(dir.path(), &["replay", "pack", "--json", "--ledgers", "ledgers"]).exits(0).json();
    for member in ["incidents", "honest", "decisions"] {
        assert_eq!(resumed[member], uncut[member], "after {cut} kills");
    }
}

#[test]
fn ledgers_of_another_pack_are_not_gone_on_with() {
    let dir = with_replays();
    run(dir.path(), &["replay", "pack", "--ledgers", "ledgers"]).exits(0);
    edit(&dir, "pack/policies/limits.cedar", "> 40", "> 41");
    run(dir.path(), &["replay", "pack", "--ledgers", "ledgers"]).exits(3).complains("its ledgers are of another pack");
    run(dir.path(), &["replay", "pack", "--ledgers", "pack"]).exits(3).complains("it holds something else");
    run(dir.path(), &["replay", "pack", "--ledgers", "pack/pack.toml"]).exits(5).complains("can't keep ledgers in");
}

#[test]
fn complaints_of_victims_name_the_thief_and_those_of_strangers_nobody() {
    let dir = with_replays();
    let file = "pack/replays/theft.toml";
    let trace = |trace: &str| {
        edit(&dir, file, "taken = {", &format!("trace = {{ {trace} }}\ntaken = {{"));
        run(dir.path(), &["replay", "pack", "--json"])
    };
    let json = trace("manner = \"no-tickets\", beside = \"work\", complaints = 20, of = 100000").exits(0).json();
    let traced = &json["traced"][0];
    assert_eq!((&traced["id"], &traced["complaints"]), (&"theft".into(), &20.into()));
    assert_eq!(traced["named"], serde_json::json!(["agent-1"]));
    assert_eq!(traced["named_by_chance"], serde_json::json!([]));
    run(dir.path(), &["replay", "pack"]).exits(0).prints("20 complaints name agent-1").prints("customers name nobody");
    edit(&dir, file, "beside = \"work\"", "beside = \"leisure\"");
    run(dir.path(), &["replay", "pack"]).exits(3).complains("there is no `leisure`");
    edit(&dir, file, "manner = \"no-tickets\"", "manner = \"by-post\"");
    run(dir.path(), &["replay", "pack"]).exits(3).complains("it has no manner `by-post`");
    edit(&dir, file, "complaints = 20", "complaints = 0");
    run(dir.path(), &["replay", "pack"]).exits(3).complains("`trace.complaints` is 0");
}
