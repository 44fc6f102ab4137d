"""What ``remit doctor`` sees of a machine and a home; what it means is ``operations.checkup``'s to say.

Promise: looking changes nothing: no migration, no entry, no file that stays.
"""
