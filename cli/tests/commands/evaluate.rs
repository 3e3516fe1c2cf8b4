//! `evaluate`: verdicts, exit codes, tables of customers.

use super::*;

/// The job of a case of the new pack.
fn write_job(dir: &TempDir, case: &str, file: &str) {
    let text = std::fs::read_to_string(dir.path().join("pack/cases").join(case)).unwrap();
    let case: serde_json::Value = serde_json::from_str(&text).unwrap();
    write(dir, file, case.get("job").unwrap().to_string());
}

#[test]
fn an_allowed_job_exits_with_0_and_shows_the_forms() {
    let dir = with_component();
    write_job(&dir, "ticket.json", "job.json");
    run(dir.path(), &["evaluate", "pack.wasm", "--job", "job.json"])
        .exits(0)
        .prints("ALLOW")
        .prints("G1-ticket")
        .prints("customer.email  partial")
        .prints("watermark agent, ticket");
    let json = run(dir.path(), &["evaluate", "pack.wasm", "--job", "job.json", "--json"]).exits(0).json();
    assert_eq!(json["verdict"], "allow");
    assert_eq!(json["forms"], serde_json::json!(["partial", "plain"]));
    assert_eq!(json["customers_included"], 1);
    assert_eq!(json["at"], "2026-11-05T10:00:00.000Z");
}

#[test]
fn a_denied_job_exits_with_1_and_says_why() {
    let dir = with_component();
    write_job(&dir, "daily-limit.json", "job.json");
    run(dir.path(), &["evaluate", "pack.wasm", "--job", "job.json"])
        .exits(1)
        .prints("DENY")
        .prints("F2-daily")
        .prints("quota-24h");
    let json = run(dir.path(), &["evaluate", "pack.wasm", "--job", "job.json", "--json"]).exits(1).json();
    assert_eq!((&json["verdict"], &json["policies"][0]["id"]), (&"deny".into(), &"F2-daily".into()));
    assert_eq!(json["customers_included"], 0);
}

#[test]
fn a_challenged_job_exits_with_2_and_names_what_would_lift_it() {
    let dir = with_pack();
    edit(
        &dir,
        "pack/schema.cedarschema",
        "customers: Long }",
        "customers: Long, approvals: { supervisor: Bool, distinct: Long, ageSec: Long } }",
    );
    edit(&dir, "pack/policies/limits.cedar", "@id(\"F2-daily\")", "@id(\"F2-daily\") @remedy(\"approval:supervisor\")");
    edit(
        &dir,
        "pack/policies/limits.cedar",
        "when { context.usage.customers24h > 40 };",
        "when { context.usage.customers24h > 40 } unless { context.approvals.supervisor };",
    );
    run(dir.path(), &["build", "pack", "-o", "pack.wasm"]).exits(0);
    write_job(&dir, "daily-limit.json", "job.json");
    run(dir.path(), &["evaluate", "pack.wasm", "--job", "job.json"])
        .exits(2)
        .prints("CHALLENGE: allowed with approval:supervisor");
    let json = run(dir.path(), &["evaluate", "pack.wasm", "--job", "job.json", "--json"]).exits(2).json();
    assert_eq!(json["remedies"], serde_json::json!(["approval:supervisor"]));
}

#[test]
fn customers_can_come_from_a_table() {
    let dir = with_component();
    write_job(&dir, "legal-hold.json", "with.json");
    let mut job: serde_json::Value =
        serde_json::from_slice(&std::fs::read(dir.path().join("with.json")).unwrap()).unwrap();
    job.as_object_mut().unwrap().remove("customers");
    write(&dir, "job.json", job.to_string());
    write(&dir, "customers.csv", "id,legalHold,ticket\ncustomer-1,false,ticket-1\ncustomer-2,true,ticket-2\n");
    let args = ["evaluate", "pack.wasm", "--job", "job.json", "--customers", "customers.csv"];
    run(dir.path(), &args).exits(0).prints("1 of 2 leave").prints("customer-2  no");
    write(&dir, "customers.csv", "id,legalHold,ticket\ncustomer-1,false,ticket-1\ncustomer-1,true,ticket-2\n");
    run(dir.path(), &args).exits(3).complains("`customer-1` is given twice");
    write(&dir, "customers.csv", "id,legal_hold\ncustomer-1,false\n");
    run(dir.path(), &args).exits(3).complains("legal_hold").complains("customers.csv");
    write(&dir, "customers.csv", "id,legalHold\ncustomer-1\n");
    run(dir.path(), &args).exits(3).complains("customers.csv");
    write(&dir, "customers.csv", "id,legalHold\ncustomer-1,perhaps\n");
    run(dir.path(), &args).exits(3).complains("table[1].legalHold");
}

#[test]
fn a_bad_job_says_where_and_is_no_verdict() {
    let dir = with_component();
    let job = |text: &str| {
        write(&dir, "job.json", text);
        run(dir.path(), &["evaluate", "pack.wasm", "--job", "job.json"]).exits(3).complains("can't use `job.json`")
    };
    job("{").complains("isn't JSON");
    job("[]").complains("expected an object");
    write_job(&dir, "ticket.json", "good.json");
    let good = std::fs::read_to_string(dir.path().join("good.json")).unwrap();
    let changed = |from: &str, to: &str| {
        assert!(good.contains(from), "no {from} in {good}");
        good.replacen(from, to, 1)
    };
    job(&changed("\"fields\":[\"customer.email\"", "\"fields\":[\"customer.mail\"")).complains("`customer.mail`");
    job(&changed("\"legalHold\":false", "\"legalHold\":\"no\"")).complains("customers[0].legalHold");
    job(&changed("\"legalHold\":false,", "")).complains("legalHold");
    job(&changed("\"job\":", "\"jobs\":1,\"job\":")).complains("jobs");
    job(&changed("\"id\":\"customer-1\"", "\"id\":\"customer\\u0000\"")).complains("control characters");
    let customer = "{\"id\":\"customer-1\",\"legalHold\":false}";
    job(&changed("\"customers\":[", &format!("\"customers\":[{customer},"))).complains("is given twice");
}
