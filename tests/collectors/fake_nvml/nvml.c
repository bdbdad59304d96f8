/* A stand-in for NVIDIA's libnvidia-ml.so.1: the symbols the collector calls, answering from a small text file.

   FAKE_NVML_STATE names the file. A test changes the node under a running collector by putting another in its place:

     driver=loaded | unloaded | mismatch      what nvmlInit finds, and what calls meet afterwards
     order=0,1                                the devices in index order, 0 to 15
     0.<signal>=<integer> | unsupported | lost | reset | hang | unknown
     0.processes=<pid>:<bytes>,...            also 0.mps, 0.1.processes; bytes "-" is unknown; <pid>:<bytes>:<instance>
     0.mig=1                                  partitioned; its instances then are 0.<n>.uuid and so on, n from 0 to 6
     events=1:0:79,2:1:48                     XID events, <sequence number>:<device>:<code>: each is told once

   A signal that the file does not name is unsupported. "lost", as value of 0.handle or of any signal, is a GPU off the bus.
   FAKE_NVML_LOG, where set, names a file that gets a line "<device> <signal>" per question asked. */

#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { SUCCESS = 0, UNINITIALIZED = 1, INVALID = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7,
       DRIVER_NOT_LOADED = 9, TIMEOUT = 10, GPU_IS_LOST = 15, RESET_REQUIRED = 16, LIB_RM_VERSION_MISMATCH = 18,
       VERSION_MISMATCH = 25, UNKNOWN = 999 };
enum { GPUS = 16, INSTANCES = 7, ENTRIES = 2048, XID = 0x8 };

typedef unsigned long long u64;
typedef struct { char name[8]; int gpu, instance; } device_t; /* instance -1: the GPU itself */
typedef struct { unsigned gpu, memory; } utilization_t;
typedef struct { u64 total, free_, used; } memory_t;
typedef struct { unsigned version; u64 total, reserved, free_, used; } memory_v2_t;
typedef struct { u64 reference, nanoseconds; } violation_t;
typedef struct { unsigned pid; u64 used; unsigned gpu_instance, compute_instance; } process_t;
typedef struct { unsigned multiprocessors, copy, decoders, encoders, jpeg, ofa, gpu_slices, compute_slices; u64 mb; } attributes_t;
typedef struct { device_t *device; u64 type, data; unsigned gpu_instance, compute_instance; } event_t;
typedef struct { int watch; u64 seen; unsigned epoch; int registered[GPUS]; } set_t;

static device_t gpus[GPUS], instances[GPUS][INSTANCES];
static int initialized = 0;
static unsigned epoch = 0; /* of the driver: an event set belongs to one */

/* The state file, read when it is another than last time: a real library answers from memory too. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct { char *key, *value; } entries[ENTRIES];
static int count = 0;
static char *text = NULL;
static struct stat read_at;

static int by_key(const void *left, const void *right) { return strcmp(*(char *const *)left, *(char *const *)right); }

static void refresh(void) {
    const char *path = getenv("FAKE_NVML_STATE");
    struct stat now;
    if (!path || stat(path, &now) != 0) { count = 0; return; }
    if (text && now.st_ino == read_at.st_ino && now.st_mtim.tv_nsec == read_at.st_mtim.tv_nsec &&
        now.st_mtim.tv_sec == read_at.st_mtim.tv_sec && now.st_size == read_at.st_size) return;
    FILE *file = fopen(path, "r");
    if (!file) return;
    free(text);
    text = calloc(1, (size_t)now.st_size + 1);
    size_t length = fread(text, 1, (size_t)now.st_size, file);
    fclose(file);
    text[length] = '\0';
    read_at = now;
    count = 0;
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line && count < ENTRIES; line = strtok_r(NULL, "\n", &rest)) {
        char *equals = strchr(line, '=');
        if (!equals) continue;
        *equals = '\0';
        entries[count].key = line;
        entries[count++].value = equals + 1;
    }
    qsort(entries, (size_t)count, sizeof entries[0], by_key);
}

/* The file's value for a key, or "" where it says nothing. */
static void look_up(const char *key, char *value, size_t size) {
    pthread_mutex_lock(&lock);
    refresh();
    void *found = bsearch(&key, entries, (size_t)count, sizeof entries[0], by_key);
    snprintf(value, size, "%s", found ? ((char **)found)[1] : "");
    pthread_mutex_unlock(&lock);
}

static int driver(void) {
    char value[64];
    look_up("driver", value, sizeof value);
    if (strcmp(value, "unloaded") == 0) return DRIVER_NOT_LOADED;
    if (strcmp(value, "mismatch") == 0) return LIB_RM_VERSION_MISMATCH;
    return SUCCESS;
}

static int ready(void) { return initialized ? driver() : UNINITIALIZED; }

static void noted(const char *device, const char *signal) {
    const char *path = getenv("FAKE_NVML_LOG");
    FILE *log = path ? fopen(path, "a") : NULL;
    if (log) { fprintf(log, "%s %s\n", device, signal); fclose(log); }
}

static int meant(const char *value) {
    if (strcmp(value, "hang") == 0) { sleep(600); return UNKNOWN; }
    if (strcmp(value, "lost") == 0) return GPU_IS_LOST;
    if (strcmp(value, "reset") == 0) return RESET_REQUIRED;
    if (strcmp(value, "unknown") == 0) return UNKNOWN;
    if (value[0] == '\0' || strcmp(value, "unsupported") == 0) return NOT_SUPPORTED;
    return SUCCESS;
}

static int ask_text(const device_t *device, const char *signal, char *value, size_t size) {
    int status = ready();
    if (status != SUCCESS) return status;
    noted(device->name, signal);
    char key[64];
    snprintf(key, sizeof key, "%s.%s", device->name, signal);
    look_up(key, value, size);
    return meant(value);
}

static int ask(const device_t *device, const char *signal, u64 *number) {
    char value[64];
    int status = ask_text(device, signal, value, sizeof value);
    if (status == SUCCESS) *number = strtoull(value, NULL, 0);
    return status;
}

static int ask_unsigned(const device_t *device, const char *signal, unsigned *number) {
    u64 value = 0;
    int status = ask(device, signal, &value);
    if (status == SUCCESS) *number = (unsigned)value;
    return status;
}

/* Of what only a whole GPU has: not a MIG instance of one, and utilisation not while it is partitioned. */
static int ask_gpu(const device_t *device, const char *signal, u64 *number) {
    return device->instance < 0 ? ask(device, signal, number) : NOT_SUPPORTED;
}

static int ask_gpu_unsigned(const device_t *device, const char *signal, unsigned *number) {
    return device->instance < 0 ? ask_unsigned(device, signal, number) : NOT_SUPPORTED;
}

int nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    for (int g = 0; g < GPUS; g++) {
        gpus[g] = (device_t){.gpu = g, .instance = -1};
        snprintf(gpus[g].name, sizeof gpus[g].name, "%d", g);
        for (int i = 0; i < INSTANCES; i++) {
            instances[g][i] = (device_t){.gpu = g, .instance = i};
            snprintf(instances[g][i].name, sizeof instances[g][i].name, "%d.%d", g, i);
        }
    }
    int status = driver();
    if (status == SUCCESS) { initialized = 1; epoch++; }
    return status;
}

int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }

int nvmlShutdown(void) {
    if (!initialized) return UNINITIALIZED;
    initialized = 0;
    return SUCCESS;
}

const char *nvmlErrorString(int status) {
    switch (status) {
        case UNINITIALIZED: return "Uninitialized";
        case NOT_SUPPORTED: return "Not Supported";
        case DRIVER_NOT_LOADED: return "Driver Not Loaded";
        case GPU_IS_LOST: return "GPU is lost";
        case RESET_REQUIRED: return "GPU requires reset";
        case LIB_RM_VERSION_MISMATCH: return "RM has detected an NVML/RM version mismatch.";
        default: return "Unknown Error";
    }
}

int nvmlSystemGetDriverVersion(char *version, unsigned length) {
    int status = ready();
    if (status != SUCCESS) return status;
    look_up("version", version, length);
    return SUCCESS;
}

int nvmlDeviceGetCount_v2(unsigned *number) {
    int status = ready();
    if (status != SUCCESS) return status;
    char order[64], *rest = NULL;
    look_up("order", order, sizeof order);
    *number = 0;
    for (char *token = strtok_r(order, ",", &rest); token; token = strtok_r(NULL, ",", &rest)) ++*number;
    return SUCCESS;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, device_t **device) {
    int status = ready();
    if (status != SUCCESS) return status;
    char order[64], *rest = NULL;
    look_up("order", order, sizeof order);
    char *token = strtok_r(order, ",", &rest);
    while (token && index--) token = strtok_r(NULL, ",", &rest);
    if (!token) return INVALID;
    char key[64], value[64];
    snprintf(key, sizeof key, "%s.handle", token);
    look_up(key, value, sizeof value);
    if (value[0] && meant(value) != SUCCESS) return meant(value);
    *device = &gpus[atoi(token)];
    return SUCCESS;
}

int nvmlDeviceGetUUID(device_t *device, char *uuid, unsigned length) { return ask_text(device, "uuid", uuid, length); }

int nvmlDeviceGetName(device_t *device, char *name, unsigned length) { return ask_text(device, "name", name, length); }

int nvmlDeviceGetMinorNumber(device_t *device, unsigned *minor) { return ask_unsigned(device, "minor", minor); }

int nvmlDeviceGetUtilizationRates(device_t *device, utilization_t *rates) {
    u64 partitioned = 0;
    if (device->instance >= 0 || (ask(device, "mig", &partitioned) == SUCCESS && partitioned)) return NOT_SUPPORTED;
    rates->memory = 99; /* time the memory was accessed: not its fill, and never to be reported as that */
    return ask_unsigned(device, "utilization", &rates->gpu);
}

int nvmlDeviceGetMemoryInfo(device_t *device, memory_t *memory) {
    int status = ask(device, "used_v1", &memory->used);
    return status == SUCCESS ? ask(device, "total", &memory->total) : status;
}

int nvmlDeviceGetMemoryInfo_v2(device_t *device, memory_v2_t *memory) {
    if (memory->version != 0x02000028) return VERSION_MISMATCH;
    int status = ask(device, "used", &memory->used);
    return status == SUCCESS ? ask(device, "total", &memory->total) : status;
}

int nvmlDeviceGetPowerUsage(device_t *device, unsigned *mw) { return ask_gpu_unsigned(device, "power", mw); }

int nvmlDeviceGetTotalEnergyConsumption(device_t *device, u64 *mj) { return ask_gpu(device, "energy", mj); }

int nvmlDeviceGetTemperature(device_t *device, int sensor, unsigned *celsius) {
    return sensor == 0 ? ask_gpu_unsigned(device, "temperature", celsius) : INVALID;
}

int nvmlDeviceGetClockInfo(device_t *device, int type, unsigned *mhz) {
    if (type == 1) return ask_gpu_unsigned(device, "clock_sm", mhz);
    if (type == 2) return ask_gpu_unsigned(device, "clock_memory", mhz);
    return INVALID;
}

/* The name before driver 535; the newer symbol is left out on purpose, so that the fallback is what runs here. */
int nvmlDeviceGetCurrentClocksThrottleReasons(device_t *device, u64 *bits) { return ask_gpu(device, "throttle", bits); }

int nvmlDeviceGetViolationStatus(device_t *device, int policy, violation_t *violation) {
    char signal[32];
    snprintf(signal, sizeof signal, "violation_%d", policy);
    return ask_gpu(device, signal, &violation->nanoseconds);
}

int nvmlDeviceGetTotalEccErrors(device_t *device, int kind, int counter, u64 *errors) {
    if (counter != 0) return INVALID; /* the volatile count is what is asked for */
    return ask_gpu(device, kind == 0 ? "ecc_corrected" : "ecc_uncorrected", errors);
}

int nvmlDeviceGetRemappedRows(device_t *device, unsigned *corrected, unsigned *uncorrected, unsigned *pending, unsigned *failed) {
    *corrected = *uncorrected = 3; /* rows, which are no state */
    int status = ask_gpu_unsigned(device, "remap_pending", pending);
    return status == SUCCESS ? ask_gpu_unsigned(device, "remap_failure", failed) : status;
}

/* Processes. The third version's symbol is left out on purpose too; the second's fallback is what runs here. */
static int list(device_t *device, const char *signal, unsigned *number, process_t *processes) {
    char value[1024], *rest = NULL;
    int status = ask_text(device, signal, value, sizeof value);
    if (status != SUCCESS) return status;
    unsigned room = *number, found = 0;
    for (char *token = strtok_r(value, ",", &rest); token; token = strtok_r(NULL, ",", &rest), found++) {
        if (found >= room) continue;
        char *colon = strchr(token, ':'), *second = colon ? strchr(colon + 1, ':') : NULL;
        process_t one = {.pid = (unsigned)atoi(token), .gpu_instance = UINT_MAX, .compute_instance = UINT_MAX};
        one.used = !colon || colon[1] == '-' ? ULLONG_MAX : strtoull(colon + 1, NULL, 10);
        if (second) one.gpu_instance = (unsigned)atoi(second + 1);
        processes[found] = one;
    }
    *number = found;
    return found > room ? INSUFFICIENT_SIZE : SUCCESS;
}

int nvmlDeviceGetComputeRunningProcesses_v2(device_t *device, unsigned *number, process_t *processes) {
    return list(device, "processes", number, processes);
}

int nvmlDeviceGetMPSComputeRunningProcesses_v2(device_t *device, unsigned *number, process_t *processes) {
    return list(device, "mps", number, processes);
}

/* MIG. */
int nvmlDeviceGetMigMode(device_t *device, unsigned *current, unsigned *pending) {
    *pending = 0;
    return ask_gpu_unsigned(device, "mig", current);
}

int nvmlDeviceGetMaxMigDeviceCount(device_t *device, unsigned *number) {
    (void)device;
    *number = INSTANCES;
    return ready();
}

int nvmlDeviceGetMigDeviceHandleByIndex(device_t *device, unsigned index, device_t **instance) {
    char uuid[96];
    if (index >= INSTANCES) return INVALID;
    int status = ask_text(&instances[device->gpu][index], "uuid", uuid, sizeof uuid);
    if (status == NOT_SUPPORTED) return NOT_FOUND; /* an empty slot */
    *instance = &instances[device->gpu][index];
    return status;
}

int nvmlDeviceGetAttributes_v2(device_t *device, attributes_t *attributes) {
    if (device->instance < 0) return INVALID;
    memset(attributes, 0, sizeof *attributes);
    return ask_unsigned(device, "slices", &attributes->gpu_slices);
}

/* XID events. A wait blocks in the kernel until the folder of the state file changes. */
int nvmlEventSetCreate(set_t **set) {
    int status = ready();
    if (status != SUCCESS) return status;
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", getenv("FAKE_NVML_STATE"));
    *strrchr(folder, '/') = '\0';
    *set = calloc(1, sizeof **set);
    (*set)->watch = inotify_init1(IN_NONBLOCK);
    (*set)->epoch = epoch;
    inotify_add_watch((*set)->watch, folder, IN_MOVED_TO);
    return SUCCESS;
}

int nvmlEventSetFree(set_t *set) {
    close(set->watch);
    free(set);
    return SUCCESS;
}

int nvmlDeviceGetSupportedEventTypes(device_t *device, u64 *types) { return ask(device, "event_types", types); }

/* The next event that is newer than `seen`, if its device is registered; with no `event`, only the newest number. */
static int next_event(set_t *set, event_t *event) {
    char value[1024], *rest = NULL;
    look_up("events", value, sizeof value);
    for (char *token = strtok_r(value, ",", &rest); token; token = strtok_r(NULL, ",", &rest)) {
        u64 number, code;
        int gpu;
        if (sscanf(token, "%llu:%d:%llu", &number, &gpu, &code) != 3 || number <= set->seen) continue;
        set->seen = number;
        if (!event || gpu < 0 || gpu >= GPUS || !set->registered[gpu]) continue;
        *event = (event_t){.device = &gpus[gpu], .type = XID, .data = code};
        noted(gpus[gpu].name, "event");
        return 1;
    }
    return 0;
}

int nvmlDeviceRegisterEvents(device_t *device, u64 types, set_t *set) {
    char value[64] = "";
    int status = ask_text(device, "handle", value, sizeof value);
    if (value[0] && status != SUCCESS) return status;
    if (types != XID) return NOT_SUPPORTED;
    next_event(set, NULL); /* what was before nobody is told */
    set->registered[device->gpu] = 1;
    noted(device->name, "events");
    return SUCCESS;
}

int nvmlEventSetWait_v2(set_t *set, event_t *event, unsigned timeout_ms) {
    struct timespec began, now;
    clock_gettime(CLOCK_MONOTONIC, &began);
    for (;;) {
        int status = ready();
        if (status != SUCCESS) return status;
        if (set->epoch != epoch) return INVALID;
        if (next_event(set, event)) return SUCCESS;
        for (int g = 0; g < GPUS; g++) {
            char key[16], value[16];
            snprintf(key, sizeof key, "%d.handle", g);
            if (!set->registered[g]) continue;
            look_up(key, value, sizeof value);
            if (strcmp(value, "lost") == 0) return GPU_IS_LOST;
        }
        clock_gettime(CLOCK_MONOTONIC, &now);
        long left = (long)timeout_ms - (now.tv_sec - began.tv_sec) * 1000 - (now.tv_nsec - began.tv_nsec) / 1000000;
        if (left <= 0) return TIMEOUT;
        struct pollfd waiting = {.fd = set->watch, .events = POLLIN};
        char drained[4096];
        if (poll(&waiting, 1, (int)left) > 0 && read(set->watch, drained, sizeof drained) < 0) return UNKNOWN;
    }
}
