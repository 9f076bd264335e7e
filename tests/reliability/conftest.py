import sys

from support.torchrun import ROOT

sys.path.append(str(ROOT / "benchmarks"))
