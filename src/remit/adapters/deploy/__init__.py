"""Deployments into a folder of this machine: releases beside each other, one of them live through a link.

Promise: whoever reads ``DIR/current`` sees one whole release at any moment, the old one or the new one, also when the
process is killed half-way; and nothing outside ``DIR`` is touched.
"""
