/* A stand-in for NVIDIA's libnvidia-ml.so.1: the symbols the collector calls, answering from a small text file.

   FAKE_NVML_STATE names the file. It is read anew on every call, so a test can change the node under a running collector:

     driver=loaded | unloaded | mismatch      what nvmlInit finds, and what calls meet afterwards
     order=0,1                                the devices in index order
     0.<signal>=<integer> | unsupported | lost | hang | unknown

   A signal that the file does not name is unsupported. "lost", as value of 0.handle or of any signal, is a GPU off the bus.
   FAKE_NVML_LOG, where set, names a file that gets a line "<device> <signal>" per question asked. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SUCCESS = 0, UNINITIALIZED = 1, INVALID = 2, NOT_SUPPORTED = 3, DRIVER_NOT_LOADED = 9, GPU_IS_LOST = 15,
       LIB_RM_VERSION_MISMATCH = 18, UNKNOWN = 999 };

typedef struct { int number; } device_t;
typedef struct { unsigned gpu, memory; } utilization_t;
typedef struct { unsigned long long total, free_, used; } memory_t;
typedef struct { unsigned version; unsigned long long total, reserved, free_, used; } memory_v2_t;

static device_t devices[4] = {{0}, {1}, {2}, {3}};
static int initialized = 0;

/* The file's value for a key, or "" where it says nothing. */
static void look_up(const char *key, char *value, size_t size) {
    value[0] = '\0';
    const char *path = getenv("FAKE_NVML_STATE");
    FILE *file = path ? fopen(path, "r") : NULL;
    if (!file) return;
    char line[256];
    size_t length = strlen(key);
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\r\n")] = '\0';
        if (strncmp(line, key, length) == 0 && line[length] == '=') snprintf(value, size, "%s", line + length + 1);
    }
    fclose(file);
}

static int driver(void) {
    char value[64];
    look_up("driver", value, sizeof value);
    if (strcmp(value, "unloaded") == 0) return DRIVER_NOT_LOADED;
    if (strcmp(value, "mismatch") == 0) return LIB_RM_VERSION_MISMATCH;
    return SUCCESS;
}

static int ready(void) {
    if (!initialized) return UNINITIALIZED;
    return driver();
}

static int ask_text(const device_t *device, const char *signal, char *value, size_t size) {
    int status = ready();
    if (status != SUCCESS) return status;
    const char *path = getenv("FAKE_NVML_LOG");
    FILE *log = path ? fopen(path, "a") : NULL;
    if (log) { fprintf(log, "%d %s\n", device->number, signal); fclose(log); }
    char key[64];
    snprintf(key, sizeof key, "%d.%s", device->number, signal);
    look_up(key, value, size);
    if (strcmp(value, "hang") == 0) { sleep(600); return UNKNOWN; }
    if (strcmp(value, "lost") == 0) return GPU_IS_LOST;
    if (strcmp(value, "unknown") == 0) return UNKNOWN;
    if (value[0] == '\0' || strcmp(value, "unsupported") == 0) return NOT_SUPPORTED;
    return SUCCESS;
}

static int ask(const device_t *device, const char *signal, unsigned long long *number) {
    char value[64];
    int status = ask_text(device, signal, value, sizeof value);
    if (status == SUCCESS) *number = strtoull(value, NULL, 0);
    return status;
}

static int ask_unsigned(const device_t *device, const char *signal, unsigned *number) {
    unsigned long long value = 0;
    int status = ask(device, signal, &value);
    if (status == SUCCESS) *number = (unsigned)value;
    return status;
}

int nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    int status = driver();
    if (status == SUCCESS) initialized = 1;
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

int nvmlDeviceGetCount_v2(unsigned *count) {
    int status = ready();
    if (status != SUCCESS) return status;
    char order[64];
    look_up("order", order, sizeof order);
    *count = 0;
    for (char *token = strtok(order, ","); token; token = strtok(NULL, ",")) ++*count;
    return SUCCESS;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, device_t **device) {
    int status = ready();
    if (status != SUCCESS) return status;
    char order[64];
    look_up("order", order, sizeof order);
    char *token = strtok(order, ",");
    while (token && index--) token = strtok(NULL, ",");
    if (!token) return INVALID;
    char key[64], value[64];
    snprintf(key, sizeof key, "%s.handle", token);
    look_up(key, value, sizeof value);
    if (strcmp(value, "lost") == 0) return GPU_IS_LOST;
    *device = &devices[atoi(token)];
    return SUCCESS;
}

int nvmlDeviceGetUUID(device_t *device, char *uuid, unsigned length) { return ask_text(device, "uuid", uuid, length); }

int nvmlDeviceGetName(device_t *device, char *name, unsigned length) { return ask_text(device, "name", name, length); }

int nvmlDeviceGetMinorNumber(device_t *device, unsigned *minor) { return ask_unsigned(device, "minor", minor); }

int nvmlDeviceGetUtilizationRates(device_t *device, utilization_t *rates) {
    rates->memory = 99; /* time the memory was accessed: not its fill, and never to be reported as that */
    return ask_unsigned(device, "utilization", &rates->gpu);
}

int nvmlDeviceGetMemoryInfo(device_t *device, memory_t *memory) {
    int status = ask(device, "used_v1", &memory->used);
    return status == SUCCESS ? ask(device, "total", &memory->total) : status;
}

int nvmlDeviceGetMemoryInfo_v2(device_t *device, memory_v2_t *memory) {
    if (memory->version != 0x02000028) return 25; /* argument version mismatch */
    int status = ask(device, "used", &memory->used);
    return status == SUCCESS ? ask(device, "total", &memory->total) : status;
}

int nvmlDeviceGetPowerUsage(device_t *device, unsigned *milliwatts) { return ask_unsigned(device, "power", milliwatts); }

int nvmlDeviceGetTotalEnergyConsumption(device_t *device, unsigned long long *mj) { return ask(device, "energy", mj); }

int nvmlDeviceGetTemperature(device_t *device, int sensor, unsigned *celsius) {
    return sensor == 0 ? ask_unsigned(device, "temperature", celsius) : INVALID;
}

int nvmlDeviceGetClockInfo(device_t *device, int type, unsigned *mhz) {
    if (type == 1) return ask_unsigned(device, "clock_sm", mhz);
    if (type == 2) return ask_unsigned(device, "clock_memory", mhz);
    return INVALID;
}

/* The name before driver 535; the newer symbol is left out on purpose, so that the fallback is what runs here. */
int nvmlDeviceGetCurrentClocksThrottleReasons(device_t *device, unsigned long long *bits) {
    return ask(device, "throttle", bits);
}
