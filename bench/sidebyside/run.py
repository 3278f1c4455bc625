#!/usr/bin/env python3
"""Measures ProxyKit beside nginx, HAProxy and YARP, in one interleaved run, on this machine.

usage: make bench [BENCH="--loads 128,4k --rounds 15"]     or: bench/sidebyside/run.py, after a Release build

The figure is the CPU time of a proxy's processes for each completed request (user and system, from /proc): it
holds where requests per second do not, on a busy or small machine. The proxy runs on core 0, the load and the
backend (nginx) on core 1. Every round measures every target once; ratios are taken within a round, against the
target measured in the same minute; what is printed is their median, with the quartiles and the extremes beside
it. The first round is dropped: .NET is still compiling. Two targets within 10 % of each other are told apart
only by 15 ratios or more whose quartiles agree.

Loads: 128 4k 64k (GET), post4k, tls (128 B) by wrk over 64 kept connections; h2 (128 B, TLS, 8 connections of
8 streams) by h2load. All proxies forward HTTP/1.1 and add X-Forwarded-For, -Proto and -Host.
Needs Linux, python3 and, from Debian: nginx haproxy wrk nghttp2-client openssl.
"""
import argparse, datetime, os, platform, re, shutil, signal, socket, statistics, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
LOADS = ["128", "4k", "64k", "post4k", "tls", "h2"]
HZ = os.sysconf("SC_CLK_TCK")
INLINE = {"DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS": "1"}


class Target:
    """A proxy: how it is started, and the ports on which it takes plain and TLS connections."""

    def __init__(self, name, starts, warm):
        self.name, self.starts, self.warm = name, starts, warm
        self.plain, self.tls = free_port(), free_port()
        self.processes = {}

    def start(self, work, log, secure):
        key = secure if self.warm else None    # nginx and haproxy serve both from one process
        if key not in self.processes:
            command, env = self.starts(self, work, secure)
            self.processes[key] = start(command, 0, env, log)
        wait_for(self.tls if secure else self.plain, self.processes[key])
        return self.processes[key]


def native(command):
    return lambda target, work, secure: (command(work), {})


def dotnet(project, preset):
    def starts(target, work, secure):
        program = f"{ROOT}/artifacts/bin/{project}/release/{project}"
        if not os.path.exists(program):
            sys.exit(f"{program} is not there; build first: dotnet build -c Release")
        arguments = [program, str(target.tls if secure else target.plain), str(BACKEND)]
        arguments += ["--preset"] if preset else []
        arguments += ["--tls", f"{work}/crt.pem", f"{work}/key.pem"] if secure else []
        return arguments, {"DOTNET_gcServer": "0", "DOTNET_TieredPGO": "1", **(INLINE if preset and project == "BenchYarp" else {})}
    return starts


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def tree(pid):
    pids = [pid]
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as children:
                for child in children.read().split():
                    pids += tree(int(child))
    except FileNotFoundError:
        pass
    return pids


def cpu_seconds(pids):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / HZ


def start(command, core, env, log):
    return subprocess.Popen(["taskset", "-c", str(core)] + command, env={**os.environ, **env}, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)


def stop(process):
    for pid in reversed(tree(process.pid)):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    process.wait()


def wait_for(port, process, seconds=30):
    end = time.time() + seconds
    while time.time() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 0.5).close()
            return
        except OSError:
            time.sleep(0.05)
    sys.exit(f"nothing listens on port {port}: {' '.join(process.args)}")


def wrk(url, seconds, script):
    out = subprocess.run(["taskset", "-c", "1", "wrk", "-t1", "-c64", f"-d{seconds}s", "--latency"] + (["-s", script] if script else []) + [url],
                         capture_output=True, text=True).stdout
    bad = re.search(r"Non-2xx.*|Socket errors.*", out)
    quantile = lambda share: micros(re.search(rf"\n\s+{share}%\s+(\S+)", out)[1])
    return dict(done=int(re.search(r"(\d+) requests in", out)[1]), p50=quantile(50), p99=quantile(99), error=bad[0] if bad else "")


def micros(text):
    number, unit = re.match(r"([\d.]+)(us|ms|s|m)", text).groups()
    return float(number) * {"us": 1, "ms": 1e3, "s": 1e6, "m": 6e7}[unit]


def h2load(url, seconds):
    out = subprocess.run(["taskset", "-c", "1", "h2load", "-t1", "-c8", "-m8", f"-D{seconds}", url], capture_output=True, text=True).stdout
    done, failed, errored = map(int, re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored", out).groups())
    return dict(done=done, p50=0, p99=0, error=f"{failed} failed, {errored} errored" if failed or errored else "")


def load(name, target, seconds, work):
    secure = name in ("tls", "h2")
    url = f"http{'s' if secure else ''}://127.0.0.1:{target.tls if secure else target.plain}/{name if name in ('4k', '64k') else '128'}"
    if name == "h2":
        return h2load(url, seconds)
    return wrk(url, seconds, f"{work}/post.lua" if name == "post4k" else None)


def prepare(work, targets):
    ports = {"backend": BACKEND, **{f"{t.name}{end}": port for t in targets for end, port in (("", t.plain), ("-tls", t.tls))}}
    ports = {"nginx": 1, "nginx-tls": 1, "haproxy": 1, "haproxy-tls": 1, **ports}
    for name in os.listdir(f"{HERE}/conf"):
        with open(f"{HERE}/conf/{name}") as file:
            text = file.read().replace("{dir}", work).replace("{body128}", "x" * 128)
        for key, port in ports.items():
            text = text.replace("{" + key + "}", str(port))
        with open(f"{work}/{name}", "w") as file:
            file.write(text)
    os.makedirs(f"{work}/www")
    for name, size in (("4k", 4096), ("64k", 65536)):
        with open(f"{work}/www/{name}", "w") as file:
            file.write("x" * size)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", f"{work}/key.pem", "-out", f"{work}/crt.pem"],
                   check=True, capture_output=True)
    with open(f"{work}/both.pem", "w") as both:
        for part in ("crt", "key"):
            with open(f"{work}/{part}.pem") as file:
                both.write(file.read())
    os.chmod(work, 0o755)


def spread(values):
    """Median, quartiles and extremes, in words."""
    middle = statistics.median(values)
    if len(values) < 4:
        return f"{middle:.2f} ({min(values):.2f}–{max(values):.2f})"
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return f"{middle:.2f} ({low:.2f}–{high:.2f}; {min(values):.2f}–{max(values):.2f})"


def report(results, loads, targets, bases, rounds, seconds):
    lines = [f"Side by side, {datetime.date.today()}", "",
             f"{machine()}. Proxies on core 0, load and backend on core 1. {rounds} rounds of {seconds} s kept, 1 dropped.",
             "CPU time is in µs for each request. Ratios: median of the ratios within a round (quartiles; least–most).", ""]
    for name in loads:
        lines += [f"## {name}", "", "| target | CPU µs | " + " | ".join(f"against {base}" for base in bases) + " | requests/s | core busy | p50 µs | p99 µs | errors |",
                  "|---" * (len(bases) + 7) + "|"]
        for target in targets:
            rows = results[name, target.name]
            median = lambda field: statistics.median(row[field] for row in rows)
            ratios = [spread([row["cpu"] / other["cpu"] for row, other in zip(rows, results[name, base])]) if base != target.name else "1" for base in bases]
            errors = next((row["error"] for row in rows if row["error"]), "none")
            quantiles = f"{median('p50'):.0f} | {median('p99'):.0f}" if name != "h2" else "– | –"
            lines.append(f"| {target.name} | {median('cpu'):.1f} | {' | '.join(ratios)} | {median('rate'):.0f} | {median('busy'):.2f} | {quantiles} | {errors} |")
        lines.append("")
    return "# " + "\n".join(lines)


def machine():
    with open("/proc/cpuinfo") as info:
        model = re.search(r"model name\s*: (.*)", info.read())
    version = lambda *command: (re.search(r"\d+\.\d+[.\d]*", subprocess.run(command, capture_output=True, text=True, check=False).stdout
                                          + subprocess.run(command, capture_output=True, text=True, check=False).stderr) or ["?"])[0]
    return (f"{os.cpu_count()} × {model[1] if model else platform.machine()}, Linux {platform.release()}, .NET SDK {version('dotnet', '--version')}, "
            f"nginx {version('nginx', '-v')}, HAProxy {version('haproxy', '-v')}, YARP 2.3.0")


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--loads", default="128,4k,64k,post4k,tls,h2", help="of " + " ".join(LOADS))
    options.add_argument("--targets", default="nginx,haproxy,yarp,yarp+preset,proxykit,proxykit+preset")
    options.add_argument("--rounds", type=int, default=16, help="the first is dropped")
    options.add_argument("--seconds", type=int, default=3, help="of each measurement")
    options.add_argument("--warmup", type=int, default=15, help="seconds of load before the first round, for .NET")
    options.add_argument("--out", default=f"{ROOT}/bench/results/sidebyside.md")
    o = options.parse_args()
    known = {
        "nginx": Target("nginx", native(lambda work: ["nginx", "-c", f"{work}/nginx.conf", "-e", f"{work}/nginx.err"]), warm=False),
        "haproxy": Target("haproxy", native(lambda work: ["haproxy", "-db", "-f", f"{work}/haproxy.cfg"]), warm=False),
        "yarp": Target("yarp", dotnet("BenchYarp", False), warm=True),
        "yarp+preset": Target("yarp+preset", dotnet("BenchYarp", True), warm=True),
        "proxykit": Target("proxykit", dotnet("BenchGateway", False), warm=True),
        "proxykit+preset": Target("proxykit+preset", dotnet("BenchGateway", True), warm=True),
    }
    loads, names = o.loads.split(","), o.targets.split(",")
    for name in [n for n in loads if n not in LOADS] + [n for n in names if n not in known]:
        sys.exit(f"'{name}' is not known; loads: {' '.join(LOADS)}; targets: {' '.join(known)}")
    missing = [tool for tool in ("nginx", "haproxy", "wrk", "h2load", "openssl", "taskset") if not shutil.which(tool)]
    if missing or os.cpu_count() < 2:
        sys.exit(f"needs two cores and these programs: {' '.join(missing)}")
    targets = [known[name] for name in names]
    work = tempfile.mkdtemp(prefix="sidebyside-", dir="/dev/shm")
    processes, results = [], {}
    with open(f"{work}/processes.log", "w") as log:
        try:
            prepare(work, targets)
            processes.append(start(["nginx", "-c", f"{work}/backend.conf", "-e", f"{work}/backend.err"], 1, {}, log))
            wait_for(BACKEND, processes[0])
            serving = {(name, t.name): t.start(work, log, name in ("tls", "h2")) for name in loads for t in targets}
            processes += {process.pid: process for process in serving.values()}.values()
            for name in loads:
                for target in targets:
                    load(name, target, (o.warmup if name == loads[0] else max(3, o.warmup // 3)) if target.warm else 1, work)
            for round_ in range(o.rounds):
                for name in loads:
                    for target in targets[round_ % len(targets):] + targets[:round_ % len(targets)]:
                        pids = tree(serving[name, target.name].pid)
                        before, began = cpu_seconds(pids), time.time()
                        row = load(name, target, o.seconds, work)
                        spent, took = cpu_seconds(pids) - before, time.time() - began
                        row.update(cpu=spent * 1e6 / max(1, row["done"]), busy=spent / took, rate=row["done"] / o.seconds)
                        if round_ > 0 or o.rounds == 1:
                            results.setdefault((name, target.name), []).append(row)
                        print(f"round {round_:2} {name:7} {target.name:16} {row['cpu']:7.1f} µs {row['rate']:8.0f}/s {row['error']}", file=sys.stderr, flush=True)
        finally:
            for process in processes + [p for t in targets for p in t.processes.values()]:
                stop(process)
    bases = [base for base in ("yarp", "yarp+preset", "nginx") if base in names]
    text = report(results, loads, targets, bases, max(1, o.rounds - 1), o.seconds)
    print(text)
    with open(o.out, "w") as file:
        file.write(text)
    shutil.rmtree(work, ignore_errors=True)


BACKEND = free_port()
main()
