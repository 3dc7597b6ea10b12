//! `org.pody.Quota`.

use protocol::helper::quota::DiskLimits;
use protocol::quota as wire;
use protocol::quota::{
    AppliedReply, Apply, ChangeRecord, FieldChangeRecord, Report, ReportReply, Set, Show, ShownReply,
    SliceChangeRecord, UsageRecord, ValueRecord,
};
use quotactl::Limits;

use super::Handle;
use crate::directory::{Directory, Error, Result};
use crate::doors::record::{page_size, parse_option};
use crate::limits::MAX_PAGE;
use crate::quota::{Field, Limit, Source};
use crate::service::{
    Caller, Changed, ChangedField, ChangedSlice, PolicyChange, Service, Shown, Subject, Usage, Value,
};

impl<D: Directory> Handle<D> for Set {
    async fn handle(self, service: &Service<D>, caller: &Caller) -> Result<ShownReply> {
        let limit = |given: &wire::GivenLimit| {
            let field: Field = given.field.parse().map_err(|why: String| Error::invalid("field", why))?;
            let wrong = |why: String| Error::invalid("limit", format!("{field}: {why}"));
            let limit = given.limit.as_deref().map(|text| Limit::parse(field, text)).transpose();
            Ok((field, limit.map_err(wrong)?))
        };
        let change = PolicyChange {
            subject: subject(&self.subject)?,
            filesystem: parse_option("filesystem", self.filesystem.as_deref())?,
            limits: self.limits.iter().map(limit).collect::<Result<_>>()?,
            only: self.only,
        };
        Ok(shown(service.set_policy(caller, change).await?))
    }
}

impl<D: Directory> Handle<D> for Show {
    async fn handle(self, service: &Service<D>, caller: &Caller) -> Result<ShownReply> {
        Ok(shown(service.show_quotas(caller, subject(&self.subject)?).await?))
    }
}

impl<D: Directory> Handle<D> for Report {
    async fn handle(self, service: &Service<D>, caller: &Caller) -> Result<ReportReply> {
        let filesystem = parse_option("filesystem", self.filesystem.as_deref())?;
        let (mut usage, findings) = service.report_quotas(caller, filesystem.as_ref()).await?;
        let limit = page_size(self.limit, MAX_PAGE) as usize;
        let more = usage.len() > limit;
        usage.truncate(limit);
        Ok(ReportReply { usage: usage.into_iter().map(record).collect(), more, findings: words(findings) })
    }
}

impl<D: Directory> Handle<D> for Apply {
    async fn handle(self, service: &Service<D>, caller: &Caller) -> Result<AppliedReply> {
        let applied = service.apply_quotas(caller, self.dry_run).await?;
        Ok(AppliedReply {
            differed: applied.differed,
            changes: applied.changes.into_iter().map(change).collect(),
            slices: applied.slices.into_iter().map(slice_change).collect(),
            counted: applied.counted.changed,
            left: applied.counted.left,
            more: applied.counted.more,
            findings: words(applied.findings),
        })
    }
}

fn subject(given: &wire::Subject) -> Result<Subject> {
    let user = parse_option("user", given.user.as_deref())?;
    let group = parse_option("group", given.group.as_deref())?;
    match (user, group) {
        (Some(user), None) => Ok(Subject::User(user)),
        (None, Some(group)) => Ok(Subject::Group(group)),
        (None, None) => Ok(Subject::Everybody),
        (Some(_), Some(_)) => Err(Error::invalid("subject", "is a user or a group, and not both")),
    }
}

fn shown(shown: Shown) -> ShownReply {
    let subject = match shown.subject {
        Subject::User(name) => wire::Subject { user: Some(name.to_string()), group: None },
        Subject::Group(name) => wire::Subject { user: None, group: Some(name.to_string()) },
        Subject::Everybody => wire::Subject::default(),
    };
    ShownReply {
        subject,
        values: shown.values.into_iter().map(value).collect(),
        findings: words(shown.findings),
    }
}

fn value(Value { field, filesystem, said, used }: Value) -> ValueRecord {
    let (source, group) = match said.source {
        Source::Default => ("default", None),
        Source::Group(name) => ("group", Some(name.to_string())),
        Source::User => ("user", None),
    };
    ValueRecord {
        field: field.to_string(),
        filesystem: filesystem.map(|path| path.to_string()),
        limit: said.limit.show(field),
        number: said.limit.number(),
        source: source.into(),
        group,
        used,
    }
}

fn record(Usage { name, filesystem, quota, permille }: Usage) -> UsageRecord {
    UsageRecord {
        user: name.to_string(),
        uid: quota.id,
        filesystem: filesystem.to_string(),
        bytes: quota.bytes,
        inodes: quota.inodes,
        limits: limits(quota.limits),
        permille,
    }
}

fn change(Changed { name, uid, filesystem, from, to, is_drift }: Changed) -> ChangeRecord {
    ChangeRecord {
        user: name.map(|name| name.to_string()),
        uid,
        filesystem: filesystem.to_string(),
        from: limits(from),
        to: limits(to),
        drift: is_drift,
    }
}

fn slice_change(ChangedSlice { name, uid, fields, is_drift }: ChangedSlice) -> SliceChangeRecord {
    let field = |ChangedField { field, from, to }| FieldChangeRecord { field: field.to_owned(), from, to };
    SliceChangeRecord {
        user: name.map(|name| name.to_string()),
        uid,
        slice: format!("user-{uid}.slice"),
        fields: fields.into_iter().map(field).collect(),
        drift: is_drift,
    }
}

fn limits(Limits { soft_kib, hard_kib, soft_inodes, hard_inodes }: Limits) -> DiskLimits {
    DiskLimits { soft_kib, hard_kib, soft_inodes, hard_inodes }
}

fn words(findings: Vec<(String, String)>) -> Vec<String> {
    findings.into_iter().map(|(finding, advice)| format!("{finding} ({advice})")).collect()
}
