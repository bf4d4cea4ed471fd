//! What each function makes of a notice.

use jiff::Timestamp;

use crate::config::{Config, RebalanceRecommendations};
use crate::drain::facts::departure::{Cause, Departure, Hints, NoticedBy};
use crate::ids::InstanceId;
use crate::notice::{Message, Notice, NoticeError, SpotInterruption};

/// What a function makes of a notice.
#[derive(Debug, PartialEq)]
pub enum Verdict {
    /// To be drained.
    Depart(Departure, Hints),
    /// To be left alone, and why.
    Ignore(Option<InstanceId>, String),
}

/// Tells what a notice means to a function, by its settings; an error where the notice is another function's.
pub type Judge = fn(Notice, &Config) -> Result<Verdict, NoticeError>;

impl Verdict {
    pub(super) fn of_message(self, message: &Message) -> Self {
        match self {
            Self::Depart(departure, hints) => {
                // A message that comes again would move a time that is ahead with it.
                let sent_at = message.sent_at.unwrap_or(Timestamp::MAX);
                let departure = Departure { cause: departure.cause.received(sent_at), ..departure };
                Self::Depart(departure, Hints { comes_again: message.comes_again, ..hints.received(sent_at) })
            }
            ignored @ Self::Ignore(..) => ignored,
        }
    }
}

/// To `instance-terminating`.
///
/// # Errors
/// For a notice of EC2's.
pub fn of_termination(notice: Notice, config: &Config) -> Result<Verdict, NoticeError> {
    match notice {
        Notice::Terminating(it) if !config.hook_names.contains(&it.hook) => {
            Ok(Verdict::Ignore(Some(it.instance), format!("hook {} of group {} is not ours", it.hook, it.group)))
        }
        Notice::Terminating(it) => {
            let (group, hook, cluster, noticed_at) = (Some(it.group), Some(it.hook), it.cluster, it.noticed_at);
            let hints = Hints { group, hook, cluster, noticed_at, comes_again: false };
            Ok(depart(it.instance, Cause::Termination { to: it.to }, hints))
        }
        Notice::Nothing { instance, why } => Ok(Verdict::Ignore(instance, why)),
        Notice::SpotInterruption(_) | Notice::RebalanceRecommendation(_) => Err(notice.misdirected()),
    }
}

/// To `spot-interruption`.
///
/// # Errors
/// For a notice of Auto Scaling's.
pub fn of_interruption(notice: Notice, config: &Config) -> Result<Verdict, NoticeError> {
    let noticed = |noticed_at: Timestamp| Hints { noticed_at: Some(noticed_at), ..Hints::default() };
    match notice {
        Notice::SpotInterruption(SpotInterruption { instance, noticed_at, hibernates }) => {
            let cause =
                if hibernates { Cause::SpotHibernation { noticed_at } } else { Cause::SpotInterruption { noticed_at } };
            Ok(depart(instance, cause, noticed(noticed_at)))
        }
        Notice::RebalanceRecommendation(instance) => Ok(match config.rebalance {
            RebalanceRecommendations::Drain => depart(instance, Cause::RebalanceRecommendation, Hints::default()),
            RebalanceRecommendations::Ignore => {
                let why = "REBALANCE_RECOMMENDATIONS says to ignore rebalance recommendations".to_owned();
                Verdict::Ignore(Some(instance), why)
            }
        }),
        Notice::Nothing { instance, why } => Ok(Verdict::Ignore(instance, why)),
        Notice::Terminating(_) => Err(notice.misdirected()),
    }
}

fn depart(instance: InstanceId, cause: Cause, hints: Hints) -> Verdict {
    Verdict::Depart(Departure { instance, cause, noticed_by: NoticedBy::Event }, hints)
}
