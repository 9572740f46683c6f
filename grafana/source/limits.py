"""The values at which a reading turns yellow or red; where an alert exists, red is where it fires."""

from __future__ import annotations

from grafana.source.style import BAD, GOOD, WARN, Scale, Step, high_is_bad, low_is_bad, states

# Shares of predictions that the objectives allow to fail, and to be slow: prometheus/rules/objectives.yml.
AVAILABILITY_BUDGET = 0.001
LATENCY_BUDGET = 0.01

# Seconds, of requests: the objective is 0.05 s.
QUICK = high_is_bad(0.025, 0.05)
# Seconds that captures may wait: UmbraJournalAge, UmbraCandidateLag.
WAITING = high_is_bad(60, 300)

# Seconds since an outcome came in: a day or two are usual, UmbraOutcomesStopped fires after a week.
OUTCOME_AGE = high_is_bad(3 * 86400, 7 * 86400)

# Shares.
ALL = low_is_bad(0.5, 1)
AVAILABLE = low_is_bad(0.99, 0.999)
BUSY = high_is_bad(0.7, 0.9)
ERRORS = high_is_bad(0.001, 0.01)
REFUSED = high_is_bad(0.05, 0.2)
JOURNAL_USED = high_is_bad(0.5, 0.8)
DISK_FREE = low_is_bad(0.05, 0.2)
COVERED = low_is_bad(0.95, 0.99)
AGREE = low_is_bad(0.5, 0.8)

# Times faster than an error budget allows: 1 lasts it exactly, 6 and 14.4 page.
BURN = Scale(GOOD, (Step(1, WARN), Step(6, "orange"), Step(14.4, BAD)))

# Distances between distributions: PSI, and Kolmogorov and Smirnov's.
APART = high_is_bad(0.1, 0.25)
ABOUT_ZERO = Scale(BAD, (Step(-0.1, WARN), Step(-0.05, GOOD), Step(0.05, WARN), Step(0.1, BAD)))
ABOVE_ZERO = Scale(BAD, (Step(0, GOOD),))

# Counts and states.
ALERTS = high_is_bad(1, 3)
FAILED_HOUSES = high_is_bad(1, 100)
NONE_ALLOWED = Scale(GOOD, (Step(1, BAD),))
NEEDED = Scale(BAD, (Step(1, GOOD),))
BALANCED = Scale(BAD, (Step(0, GOOD), Step(1, BAD)))
DRIFT = high_is_bad(1, 2)
ALARM = NONE_ALLOWED
# Seconds since evidence was looked at: UmbraEvidenceStale.
JUDGED = high_is_bad(300, 900)

# Seconds since the live model was trained: UmbraModelStale.
TRAINED = high_is_bad(274 * 86400, 365 * 86400)

# What a state is called.
STORE = states((0, "away", BAD), (1, "up", GOOD))
BREAKER = states((0, "closed", GOOD), (1, "open", BAD))
ALARM_STATE = states((0, "no", GOOD), (1, "yes", BAD))
DRIFT_STATE = states((0, "in order", GOOD), (1, "yellow", WARN), (2, "red", BAD))
