"""One promise: a run that was submitted is driven to its end, by this process or by another, once at a time.

Behind ``kernel.ports.Engine`` stands DBOS Transact with four things of ours: a connect hook bound to the engine's own
database, refusal of pickle, leases with a watchdog that takes over the runs of dead executors, and retention. The
engine only schedules; what a step did stands in Remit's own store. Importing this package does not import DBOS.
"""

from remit.adapters.engine.durable import DurableEngine
from remit.adapters.engine.leases import Lease
from remit.adapters.engine.locks import ExecutorLocks
from remit.adapters.engine.records import Stranded

__all__ = ["DurableEngine", "ExecutorLocks", "Lease", "Stranded"]
