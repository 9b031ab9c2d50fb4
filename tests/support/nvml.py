"""NVIDIA's driver library, compiled from a few lines of C."""

from __future__ import annotations

import subprocess
import sys
import textwrap

# Each board works at a power of its own, 100 W and 200 W, from the first look on. What the tests
# set through the environment:
#   FAKE_BOARDS          how many there are (1)
#   FAKE_MIXED           the second one is of another model
#   FAKE_TICK_MS         the counter moves so often; 0: half a joule at every read (0)
#   FAKE_INIT            what the driver answers first (0; 18: it is of another version)
#   FAKE_UNKNOWN         boards whose counter answers with an error
#   FAKE_GONE            boards that have no handle any more
#   FAKE_NO_COUNTER      boards without a counter, as a string of 0 and 1
#   FAKE_NO_POWER        boards that do not tell their power either
#   FAKE_NO_INSTANT      the driver is too old for instantaneous power
#   FAKE_ARCHITECTURE    as NVML numbers them (9, Hopper)
#   FAKE_MIG, FAKE_VGPU  slices share the board; the board is virtual
#   FAKE_LOST_AFTER      reads of energy or power after which the board has fallen off the bus
#   FAKE_MILLIJOULES     what every counter says
#   FAKE_MILLIWATTS      what every board says of its power
#   FAKE_PROCESSES       numbers of processes on each board, with commas
LIBRARY = r"""
#include <stdlib.h>
#include <string.h>
#include <time.h>
typedef struct { unsigned index; int slice; } device;
typedef struct { unsigned field, scope; long long stamp, latency; int type, result;
                 union { double d; unsigned u; unsigned long long ull; } value; } field;
typedef struct { unsigned pid; unsigned long long memory; unsigned gpu, compute; } process;
enum { OK = 0, UNSUPPORTED = 3, NO_PERMISSION = 4, NOT_FOUND = 6, TOO_SMALL = 7, LOST = 15 };
static device boards[4] = {{0, 0}, {1, 0}, {2, 0}, {3, 0}};
static device slices[4] = {{0, 1}, {1, 1}, {2, 1}, {3, 1}};
static unsigned long long reads;
static int setting(const char *name, int otherwise) {
    const char *text = getenv(name);
    return text ? atoi(text) : otherwise;
}
static int marked(const char *name, device *d) {
    const char *text = getenv(name);
    return text && d->index < strlen(text) && text[d->index] == '1';
}
static double seconds(void) {
    static double began;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    double at = now.tv_sec + now.tv_nsec / 1e9;
    if (!began) began = at;
    return at - began;
}
static int lost(void) { return ++reads > (unsigned long long)setting("FAKE_LOST_AFTER", 1 << 30); }
static double watts(device *d) {
    const char *said = getenv("FAKE_MILLIWATTS");
    return said ? strtoull(said, 0, 10) / 1000.0 : 100.0 * (d->index + 1);
}
int nvmlInitWithFlags(unsigned flags) { return setting("FAKE_INIT", OK); }
int nvmlInit_v2(void) { return setting("FAKE_INIT", OK); }
int nvmlShutdown(void) { return OK; }
const char *nvmlErrorString(int code) {
    if (code == 999) return "Unknown Error";
    return code == LOST ? "GPU is lost" : code == UNSUPPORTED ? "Not Supported" : "Not Found";
}
int nvmlDeviceGetCount_v2(unsigned *count) { *count = setting("FAKE_BOARDS", 1); return OK; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, device **handle) {
    *handle = &boards[index];
    return marked("FAKE_GONE", &boards[index]) ? LOST : OK;
}
int nvmlDeviceGetHandleByUUID(const char *uuid, device **handle) {
    if (strncmp(uuid, "MIG-", 4) || (uuid[4] != 'a' && uuid[4] != 'b')) return NOT_FOUND;
    *handle = &slices[uuid[4] - 'a'];
    return OK;
}
int nvmlDeviceGetDeviceHandleFromMigDeviceHandle(device *slice, device **handle) {
    *handle = &boards[slice->index];
    return OK;
}
int nvmlDeviceGetMigMode(device *d, unsigned *current, unsigned *pending) {
    *current = *pending = setting("FAKE_MIG", 0);
    return OK;
}
int nvmlDeviceGetVirtualizationMode(device *d, unsigned *mode) {
    *mode = setting("FAKE_VGPU", 0) ? 2 : 0;
    return OK;
}
int nvmlDeviceGetArchitecture(device *d, unsigned *architecture) {
    *architecture = setting("FAKE_ARCHITECTURE", 9);
    return OK;
}
int nvmlDeviceGetName(device *d, char *name, unsigned size) {
    int other = setting("FAKE_MIXED", 0) && d->index;
    strncpy(name, other ? "NVIDIA T4" : "NVIDIA H100 80GB HBM3", size);
    if (d->slice) strncat(name, " MIG 1g.10gb", size - strlen(name) - 1);
    return OK;
}
int nvmlDeviceGetUUID(device *d, char *uuid, unsigned size) {
    strncpy(uuid, d->index ? "GPU-bbbb" : "GPU-aaaa", size);
    return OK;
}
int nvmlDeviceGetEnforcedPowerLimit(device *d, unsigned *milliwatts) {
    *milliwatts = 700000;
    return OK;
}
int nvmlDeviceGetTotalEnergyConsumption(device *d, unsigned long long *millijoules) {
    if (marked("FAKE_NO_COUNTER", d)) return UNSUPPORTED;
    if (marked("FAKE_UNKNOWN", d)) return 999;
    if (lost()) return LOST;
    int tick = setting("FAKE_TICK_MS", 0);
    double spent = tick ? watts(d) * tick * (long)(seconds() * 1000 / tick) : 500.0 * reads;
    *millijoules = 1000000ULL * (d->index + 1) + (unsigned long long)spent;
    if (getenv("FAKE_MILLIJOULES")) *millijoules = strtoull(getenv("FAKE_MILLIJOULES"), 0, 10);
    return OK;
}
int nvmlDeviceGetPowerUsage(device *d, unsigned *milliwatts) {
    if (marked("FAKE_NO_POWER", d)) return UNSUPPORTED;
    if (lost()) return LOST;
    *milliwatts = (unsigned)(watts(d) * 1000);
    return OK;
}
int nvmlDeviceGetFieldValues(device *d, int count, field *fields) {
    for (int i = 0; i < count; i++) {
        int known = fields[i].field == 186 && !setting("FAKE_NO_INSTANT", 0);
        fields[i].result = known && !marked("FAKE_NO_POWER", d) ? lost() ? LOST : OK : UNSUPPORTED;
        fields[i].type = 1;
        fields[i].value.u = (unsigned)(watts(d) * 1000);
    }
    return OK;
}
int nvmlDeviceGetComputeRunningProcesses_v3(device *d, unsigned *count, process *found) {
    char text[200];
    unsigned n = 0, room = *count;
    const char *given = getenv("FAKE_PROCESSES");
    strncpy(text, given ? given : "", sizeof text - 1);
    for (char *one = strtok(text, ","); one; one = strtok(NULL, ",")) {
        if (n < room) { memset(&found[n], 0, sizeof *found); found[n].pid = atoi(one); }
        n++;
    }
    *count = n;
    return n > room ? TOO_SMALL : OK;
}
"""


class Driver:
    """Python as it runs where NVIDIA's library is the one compiled here."""

    def __init__(self, monkeypatch) -> None:
        self._monkeypatch = monkeypatch

    def set(self, **settings: object) -> None:
        """What the boards are like: see `LIBRARY`."""
        for name, value in settings.items():
            name = name.upper() if name.isupper() else f"FAKE_{name.upper()}"
            self._monkeypatch.setenv(name, str(value))

    def run(self, code: str) -> str:
        command = [sys.executable, "-c", textwrap.dedent(code)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()
