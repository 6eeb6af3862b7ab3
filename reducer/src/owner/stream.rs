//! Streams: a caller in this process hears of each task as it is counted, and says what it has taken.

use shared::protocol::id::{JobId, OpeningId, PlanHash};
use shared::protocol::message::{Outcome, Verdict};

use super::{Effect, Owner, Remembered, Step, Write};
use crate::fold;
use crate::mutant::{self, Mutant};

impl Owner {
    /// A caller follows an opening of a job. If it `streams`, it hears of each task that is counted
    /// from now on.
    pub(super) fn follow(&mut self, id: &JobId, opening: OpeningId, streams: bool, step: &mut Step) {
        let Some(job) = self.jobs.get_mut(id).filter(|job| !job.is_other(&opening)) else { return };
        step.effects.push(Effect::Followed { opening, reached: job.reached() });
        if streams {
            job.begin_stream();
            self.tell_served(step);
        }
    }

    /// Tells the caller of the one outcome of a task. `plan` is the hash of the plan up to the task; the
    /// outcome may name that of its rest.
    pub(super) fn stream(&mut self, outcome: &Outcome, plan: PlanHash, step: &mut Step) {
        let task = &outcome.address.task;
        let Some(job) = self.jobs.get_mut(&task.job) else { return };
        // Most jobs are not streamed, and what follows costs.
        if job.stream().is_none() {
            return;
        }
        let digest = match &outcome.verdict {
            Verdict::Done(answer) => Some(fold::of(job.spec()).digest(answer)),
            Verdict::Failed(_) | Verdict::Permanent(_) => None,
        };
        let opening = job.opening().clone();
        let said = &outcome.address.plan;
        let rest = (*said != plan).then(|| said.clone());
        let Some(stream) = job.stream_mut() else { return };
        stream.remember(task.number, Remembered { plan, rest, digest });
        step.effects.push(Effect::Counted {
            opening,
            number: task.number,
            verdict: outcome.verdict.clone(),
            host: outcome.host.clone(),
            micros: outcome.micros,
        });
    }

    /// The caller has taken the results of these tasks.
    pub(super) fn taken(&mut self, id: &JobId, opening: &OpeningId, numbers: &[u64], step: &mut Step) {
        let Some(job) = self.jobs.get_mut(id).filter(|job| !job.is_other(opening)) else { return };
        let is_answered = |number: &u64| job.answered().contains(*number) || mutant::is(Mutant::ReleaseOpen);
        let numbers: Vec<u64> = numbers.iter().copied().filter(is_answered).collect();
        let (answered, has_needs) = (job.answered().prefix(), job.has_needs());
        let Some(stream) = job.stream_mut() else { return };
        numbers.into_iter().for_each(|number| stream.take(number));
        let answered = if mutant::is(Mutant::ReleaseOpen) { u64::MAX } else { answered };
        if let Some((from, below)) = stream.release(answered) {
            step.writes.push(Write::Released { job: id.clone(), from, below });
        }
        if !has_needs {
            step.writes.extend(stream.empty().into_iter().map(|run| Write::Emptied { job: id.clone(), run }));
        }
    }

    /// Tells the callers of streaming jobs who serves their classes, where that has changed.
    pub(super) fn tell_served(&mut self, step: &mut Step) {
        for job in self.jobs.values_mut() {
            let workload = job.workload();
            let classes = if job.stream().is_some() { job.spec().classes() } else { continue };
            let (mut consumers, mut slots) = (0, 0);
            for class in classes {
                let served = self.consumers.serving(&(workload, class));
                consumers += served.consumers;
                slots += served.slots;
            }
            let opening = job.opening().clone();
            if job.stream_mut().is_some_and(|stream| stream.is_news(consumers, slots)) {
                step.effects.push(Effect::Served { opening, consumers, slots });
            }
        }
    }
}
