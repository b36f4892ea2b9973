//! Storage commitment: which peers were asked to keep what, and what they said.
//!
//! Each request has its own Transaction UID, and all are remembered: an archive may answer hours later,
//! when it was asked again long ago, and its word counts all the same.

use dicom_io::Uid;
use sqlx::{Sqlite, Transaction};

use super::outbox::{settle, study_of, trouble};
use super::{Store, Time, note, uid};
use crate::config::Retry;

/// A request for storage commitment.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) transaction_uid: Uid,
    pub(crate) destination: String,
    job: i64,
    pub(crate) study: Uid,
    /// SOP Class and SOP Instance UIDs.
    pub(crate) objects: Vec<(Uid, Uid)>,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The peer will say later, or has said already, what it keeps.
    Accepted,
    /// It did not take the request.
    Failed(String),
    /// It could not be asked.
    Unreachable(String),
}

/// What a peer's report changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reported {
    /// Objects that are committed by it.
    pub(crate) committed: usize,
    /// Objects that the peer does not have, which are sent again.
    pub(crate) missing: usize,
    /// Objects for which it is asked again.
    pub(crate) failed: usize,
}

/// The reasons for a failure, PS3.3 C.14.1.1: the peer does not have the object.
const NO_SUCH_INSTANCE: u16 = 0x0112;

impl Store {
    /// Takes the next request that is due for `destination`: minted and remembered before it is made, for
    /// the answer may be quicker than the response. `None` if nothing is due or the destination has to wait.
    ///
    /// What is not answered is asked again after `retry.commitment_s`, and given up after
    /// `retry.attempts` requests: then the object counts as sent and no more.
    pub(crate) async fn take_commitment(
        &self,
        destination: &str,
        retry: &Retry,
        now: Time,
    ) -> sqlx::Result<Option<Request>> {
        let mut transaction = self.begin().await?;
        if trouble(&mut transaction, destination).await?.is_some_and(|trouble| trouble.not_before > now) {
            return Ok(None);
        }
        while let Some((job, asked)) = next(&mut transaction, destination, now).await? {
            let study = study_of(&mut transaction, job).await?;
            if asked >= retry.attempts.max(1) {
                give_up(&mut transaction, job, destination, asked, &study, now).await?;
                continue;
            }
            let until = now + std::time::Duration::from_secs_f64(retry.commitment_s);
            // Of the time too: after a retry by the operator the count begins anew.
            let parts = [job.to_string(), asked.to_string(), now.0.to_string()];
            let transaction_uid =
                Uid::derived(&["storage commitment", destination, &parts[0], &parts[1], &parts[2]]);
            sqlx::query("INSERT INTO commitment (transaction_uid, job_id, destination, asked_at) VALUES ($1, $2, $3, $4)")
                .bind(transaction_uid.as_str())
                .bind(job)
                .bind(destination)
                .bind(now.0)
                .execute(&mut *transaction)
                .await?;
            sqlx::query(
                "UPDATE outbox SET transaction_uid = $1, commit_at = $2, asked = asked + 1
                 WHERE job_id = $3 AND destination = $4 AND state = 'sent' AND commit_at <= $5
                     AND asked = $6",
            )
            .bind(transaction_uid.as_str())
            .bind(until.0)
            .bind(job)
            .bind(destination)
            .bind(now.0)
            .bind(asked)
            .execute(&mut *transaction)
            .await?;
            let rows: Vec<(String, String)> = sqlx::query_as(
                "SELECT result.sop_class_uid, result.sop_instance_uid
                 FROM outbox JOIN result ON result.id = outbox.result_id
                 WHERE outbox.job_id = $1 AND outbox.destination = $2 AND outbox.transaction_uid = $3
                 ORDER BY outbox.id",
            )
            .bind(job)
            .bind(destination)
            .bind(transaction_uid.as_str())
            .fetch_all(&mut *transaction)
            .await?;
            transaction.commit().await?;
            let objects = rows.iter().map(|(class, instance)| (uid(class), uid(instance))).collect();
            let destination = destination.to_owned();
            return Ok(Some(Request { transaction_uid, destination, job, study, objects }));
        }
        transaction.commit().await?;
        Ok(None)
    }

    /// Records what came of `request`.
    pub(crate) async fn asked_commitment(
        &self,
        request: &Request,
        asked: &Asked,
        retry: &Retry,
        now: Time,
    ) -> sqlx::Result<()> {
        let mut transaction = self.begin().await?;
        let failures = trouble(&mut transaction, &request.destination).await?.map_or(0, |was| was.failures);
        let wrong = match asked {
            Asked::Unreachable(reason) => Some(reason.as_str()),
            _ => None,
        };
        settle(&mut transaction, &request.destination, wrong, failures, retry, now).await?;
        let destination = &request.destination;
        let detail = match asked {
            Asked::Accepted => format!("{destination} asked to keep {}", request.objects.len()),
            Asked::Failed(reason) | Asked::Unreachable(reason) => format!("{destination}: {reason}"),
        };
        if *asked != Asked::Accepted {
            let uncharged = u32::from(matches!(asked, Asked::Unreachable(_)));
            let count: Option<u32> =
                sqlx::query_scalar("SELECT MAX(asked) FROM outbox WHERE transaction_uid = $1")
                    .bind(request.transaction_uid.as_str())
                    .fetch_one(&mut *transaction)
                    .await?;
            let wait = retry.wait(count.unwrap_or(1));
            // Who could not be asked is asked as soon as the destination is back. Whatever was answered
            // meanwhile has another state and stays as it is.
            sqlx::query(
                "UPDATE outbox SET commit_at = $1, asked = asked - $2, reason = $3
                 WHERE transaction_uid = $4 AND state = 'sent'",
            )
            .bind(if uncharged == 1 { now.0 } else { (now + wait).0 })
            .bind(uncharged)
            .bind(&detail)
            .bind(request.transaction_uid.as_str())
            .execute(&mut *transaction)
            .await?;
        }
        let what = if *asked == Asked::Accepted { "commitment asked" } else { "commitment failed" };
        note(&mut transaction, now, Some(&request.study), Some(request.job), what, &detail).await?;
        transaction.commit().await
    }

    /// Whether the peer has said what it keeps of `request`.
    pub(crate) async fn is_answered(&self, request: &Request) -> sqlx::Result<bool> {
        let found: Option<i64> = sqlx::query_scalar(
            "SELECT 1 FROM commitment WHERE transaction_uid = $1 AND answered_at IS NOT NULL",
        )
        .bind(request.transaction_uid.as_str())
        .fetch_optional(&self.read)
        .await?;
        Ok(found.is_some())
    }

    /// Takes the word of `destination` on a request that it got: what it keeps, and what not for which
    /// reason. `None` if it was never asked so.
    pub(crate) async fn reported_commitment(
        &self,
        destination: &str,
        transaction_uid: &Uid,
        kept: &[Uid],
        failed: &[(Uid, u16)],
        retry: &Retry,
        now: Time,
    ) -> sqlx::Result<Option<Reported>> {
        let mut transaction = self.begin().await?;
        let job: Option<i64> = sqlx::query_scalar(
            "UPDATE commitment SET answered_at = COALESCE(answered_at, $1)
             WHERE transaction_uid = $2 AND destination = $3 RETURNING job_id",
        )
        .bind(now.0)
        .bind(transaction_uid.as_str())
        .bind(destination)
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(job) = job else { return Ok(None) };
        let mut found = Reported { committed: 0, missing: 0, failed: 0 };
        for instance in kept {
            // The answer to any request counts: what the peer once promised to keep, it keeps.
            let changed = sqlx::query(
                "UPDATE outbox SET state = 'committed', commit_at = NULL, reason = NULL
                 WHERE job_id = $1 AND destination = $2 AND state IN ('sent', 'pending')
                     AND result_id IN (SELECT id FROM result WHERE job_id = $1 AND sop_instance_uid = $3)",
            )
            .bind(job)
            .bind(destination)
            .bind(instance.as_str())
            .execute(&mut *transaction)
            .await?;
            found.committed += changed.rows_affected() as usize;
        }
        for (instance, reason) in failed {
            // Only of the last request: an older one may speak of before the object was sent again.
            let missing = *reason == NO_SUCH_INSTANCE;
            let state = if missing { "pending" } else { "sent" };
            let rows: Vec<(i64, u32, u32)> = sqlx::query_as(
                "SELECT id, asked, attempts FROM outbox
                 WHERE job_id = $1 AND destination = $2 AND state = 'sent' AND transaction_uid = $3
                     AND result_id IN (SELECT id FROM result WHERE job_id = $1 AND sop_instance_uid = $4)",
            )
            .bind(job)
            .bind(destination)
            .bind(transaction_uid.as_str())
            .bind(instance.as_str())
            .fetch_all(&mut *transaction)
            .await?;
            for (id, asked, attempts) in rows {
                let wait = retry.wait(if missing { attempts } else { asked });
                sqlx::query(
                    "UPDATE outbox SET state = $1, not_before = $2, commit_at = $3, reason = $4 WHERE id = $5",
                )
                .bind(state)
                .bind((now + wait).0)
                .bind((!missing).then_some((now + wait).0))
                .bind(format!("not committed: {reason:04X}H{}", meaning(*reason)))
                .bind(id)
                .execute(&mut *transaction)
                .await?;
                if missing {
                    found.missing += 1;
                } else {
                    found.failed += 1;
                }
            }
        }
        let study = study_of(&mut transaction, job).await?;
        let of = kept.len() + failed.len();
        let verified = format!("{destination} keeps {} of {of}", kept.len());
        let detail = match failed.first() {
            Some((_, reason)) => format!("{verified}: {reason:04X}H{}", meaning(*reason)),
            None => verified,
        };
        let what = if failed.is_empty() { "committed" } else { "commitment failed" };
        note(&mut transaction, now, Some(&study), Some(job), what, &detail).await?;
        transaction.commit().await?;
        Ok(Some(found))
    }
}

/// The job whose objects are to be asked for next, and how often they were.
async fn next(
    transaction: &mut Transaction<'_, Sqlite>,
    destination: &str,
    now: Time,
) -> sqlx::Result<Option<(i64, u32)>> {
    sqlx::query_as(
        "SELECT job_id, asked FROM outbox
         WHERE destination = $1 AND commit_at IS NOT NULL AND commit_at <= $2 AND state = 'sent'
         ORDER BY commit_at, id LIMIT 1",
    )
    .bind(destination)
    .bind(now.0)
    .fetch_optional(&mut **transaction)
    .await
}

/// Asks no more for what is due of `job`.
async fn give_up(
    transaction: &mut Transaction<'_, Sqlite>,
    job: i64,
    destination: &str,
    asked: u32,
    study: &Uid,
    now: Time,
) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE outbox SET commit_at = NULL, reason = $1
         WHERE job_id = $2 AND destination = $3 AND state = 'sent' AND commit_at <= $4 AND asked >= $5",
    )
    .bind(format!("sent, but not committed after {asked} requests"))
    .bind(job)
    .bind(destination)
    .bind(now.0)
    .bind(asked)
    .execute(&mut **transaction)
    .await?;
    let detail = format!("{destination} does not answer: given up after {asked} requests");
    note(transaction, now, Some(study), Some(job), "commitment failed", &detail).await
}

/// What a Failure Reason (0008,1197) means, for people.
///
/// Source: DICOM PS3.3 C.14.1.1.
fn meaning(reason: u16) -> &'static str {
    match reason {
        0x0110 => " (processing failure)",
        NO_SUCH_INSTANCE => " (no such object instance)",
        0x0119 => " (class and instance do not belong together)",
        0x0122 => " (SOP class not supported)",
        0x0131 => " (duplicate transaction UID)",
        0x0213 => " (resource limitation)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::outbox::Outcome;
    use crate::store::outbox::tests::{RETRY, Scene, at};

    /// A job whose `count` objects were sent at 0 s, and the request for their commitment.
    async fn sent(scene: &Scene, count: usize) -> (i64, Request) {
        let job = scene.job(1, count, "pacs").await;
        let delivery = scene.store.take_delivery("pacs", &RETRY, at(0)).await.unwrap().unwrap();
        let outcomes = vec![Outcome::Sent; count];
        scene.store.delivered(&delivery, &outcomes, None, &RETRY, true, at(0)).await.unwrap();
        (job, scene.ask(0).await.expect("it is to be asked for at once"))
    }

    impl Scene {
        async fn ask(&self, seconds: i64) -> Option<Request> {
            self.store.take_commitment("pacs", &RETRY, at(seconds)).await.unwrap()
        }

        async fn report(
            &self,
            from: &str,
            request: &Request,
            kept: &[usize],
            failed: &[(usize, u16)],
            seconds: i64,
        ) -> Option<Reported> {
            let uid = |number: &usize| request.objects[*number].1.clone();
            let kept: Vec<_> = kept.iter().map(uid).collect();
            let failed: Vec<_> = failed.iter().map(|(number, reason)| (uid(number), *reason)).collect();
            let transaction = &request.transaction_uid;
            let reported =
                self.store.reported_commitment(from, transaction, &kept, &failed, &RETRY, at(seconds)).await;
            reported.unwrap()
        }
    }

    #[tokio::test]
    async fn what_the_peer_keeps_is_committed_what_it_lacks_is_sent_again_the_rest_is_asked_for_again() {
        let scene = Scene::new().await;
        let (job, request) = sent(&scene, 3).await;
        assert_eq!(request.objects.len(), 3);
        let reported = scene.report("pacs", &request, &[0], &[(1, 0x0112), (2, 0x0110)], 1).await;
        assert_eq!(reported, Some(Reported { committed: 1, missing: 1, failed: 1 }));
        let reason = |text: &str| Some(format!("not committed: {text}"));
        assert_eq!(
            scene.rows(job).await,
            [
                ("committed".to_owned(), 1, None),
                ("pending".to_owned(), 1, reason("0112H (no such object instance)")),
                ("sent".to_owned(), 1, reason("0110H (processing failure)")),
            ]
        );
        assert!(scene.ask(10).await.is_none());
        let again = scene.ask(11).await.unwrap();
        assert_eq!(again.objects, request.objects[2..]);
        assert_ne!(again.transaction_uid, request.transaction_uid);
        let resent = scene.store.take_delivery("pacs", &RETRY, at(11)).await.unwrap().unwrap();
        assert_eq!(resent.objects[0].sop_instance_uid, request.objects[1].1);
        assert_eq!(
            scene.events().await.last().unwrap(),
            "commitment failed: pacs keeps 1 of 3: 0112H (no such object instance)"
        );
    }

    #[tokio::test]
    async fn an_answer_that_comes_after_the_next_request_counts_when_it_is_good() {
        let scene = Scene::new().await;
        let (job, first) = sent(&scene, 2).await;
        assert!(scene.ask(59).await.is_none());
        let second = scene.ask(60).await.unwrap();
        assert_eq!(second.objects, first.objects);
        let late = scene.report("pacs", &first, &[0], &[(1, 0x0112)], 61).await;
        assert_eq!(late, Some(Reported { committed: 1, missing: 0, failed: 0 }), "the failure is an old one");
        assert_eq!(scene.states(job).await, ["committed", "sent"]);
        assert_eq!(scene.report("pacs", &second, &[0, 1], &[], 62).await.unwrap().committed, 1);
        assert_eq!(scene.states(job).await, ["committed", "committed"]);
        assert_eq!(scene.report("pacs", &second, &[0, 1], &[], 63).await.unwrap().committed, 0, "told twice");
    }

    #[tokio::test]
    async fn nobody_but_the_one_who_was_asked_may_report() {
        let scene = Scene::new().await;
        let (job, mut request) = sent(&scene, 1).await;
        assert_eq!(scene.report("other", &request, &[0], &[], 1).await, None);
        request.transaction_uid = Uid::parse("1.2.3.4").unwrap();
        assert_eq!(scene.report("pacs", &request, &[0], &[], 1).await, None);
        assert_eq!(scene.states(job).await, ["sent"]);
    }

    #[tokio::test]
    async fn a_peer_that_never_answers_is_asked_so_often_and_what_was_sent_stays_sent() {
        let scene = Scene::new().await;
        let (job, first) = sent(&scene, 1).await;
        let mut transactions = vec![first.transaction_uid];
        for round in 1..RETRY.attempts {
            let request = scene.ask(i64::from(round) * 60).await.unwrap();
            assert!(!transactions.contains(&request.transaction_uid));
            transactions.push(request.transaction_uid);
        }
        assert!(scene.ask(360).await.is_none());
        assert_eq!(scene.store.next_delivery("pacs", true).await.unwrap(), None);
        let reason = Some("sent, but not committed after 6 requests".to_owned());
        assert_eq!(scene.rows(job).await, [("sent".to_owned(), 1, reason)]);
    }

    #[tokio::test]
    async fn a_peer_that_cannot_be_asked_is_asked_when_it_is_back_and_no_request_is_counted() {
        let scene = Scene::new().await;
        let (job, request) = sent(&scene, 1).await;
        let unreachable = Asked::Unreachable("connection refused".to_owned());
        scene.store.asked_commitment(&request, &unreachable, &RETRY, at(5)).await.unwrap();
        assert!(scene.ask(14).await.is_none());
        let request = scene.ask(15).await.unwrap();
        let failed = Asked::Failed("it does not offer storage commitment".to_owned());
        scene.store.asked_commitment(&request, &failed, &RETRY, at(15)).await.unwrap();
        assert!(scene.ask(24).await.is_none(), "the first request that counts");
        assert!(scene.ask(25).await.is_some());
        assert_eq!(scene.states(job).await, ["sent"]);
    }
}
