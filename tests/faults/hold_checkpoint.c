/* Holds a process inside a checkpoint of SQLite, between its copy of the header of the log's index and its look at how
   much of the log was copied already: the moment of the WAL-reset fault. No call of the system lies between the two, so
   the page of the index is taken away once the lock for checkpoints is held, and each touch of it is let through one
   instruction at a time, until the touch that is waited for. For Linux on x86-64; loaded by LD_PRELOAD.

   HOLD: a folder. Nothing is done until it has a file "arm"; "held" is made there at the moment, and it lasts until
   there is a file "go". */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define CHECKPOINT_BYTE 121 /* of the shared memory: locked by who copies the log back */
#define COPIED_AT 96        /* behind the two copies of the header: how many frames are in the file */
#define TRAP_FLAG 0x100
#define PAGE 4096

static char *page;
static char armed_at[4096], held_at[4096], go_at[4096];

static void on_touch(int number, siginfo_t *info, void *context)
{
    char *address = info->si_addr;
    (void)number;
    if (page == NULL || address < page || address >= page + PAGE) {
        signal(SIGSEGV, SIG_DFL);
        return;
    }
    mprotect(page, PAGE, PROT_READ | PROT_WRITE);
    if (address == page + COPIED_AT) {
        struct timespec pause = {0, 1000000};
        page = NULL;
        close(open(held_at, O_CREAT | O_WRONLY, 0600));
        while (access(go_at, F_OK) != 0)
            nanosleep(&pause, NULL);
        return;
    }
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
}

static void on_step(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info;
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
    if (page != NULL)
        mprotect(page, PAGE, PROT_NONE);
}

static void take_page_away(void)
{
    struct sigaction touch = {.sa_sigaction = on_touch, .sa_flags = SA_SIGINFO};
    struct sigaction step = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO};
    char line[8192];
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
        unsigned long start, end, offset;
        if (strstr(line, "-shm") != NULL && sscanf(line, "%lx-%lx %*s %lx", &start, &end, &offset) == 3 && offset == 0)
            page = (char *)start;
    }
    if (maps != NULL)
        fclose(maps);
    if (page == NULL)
        return;
    sigaction(SIGSEGV, &touch, NULL);
    sigaction(SIGTRAP, &step, NULL);
    mprotect(page, PAGE, PROT_NONE);
}

static int locked(const char *name, int descriptor, int command, void *argument)
{
    int (*next)(int, int, ...) = (int (*)(int, int, ...))dlsym(RTLD_NEXT, name);
    int done = next(descriptor, command, argument);
    const char *folder = getenv("HOLD");
    if (done == 0 && command == F_SETLK && folder != NULL) {
        struct flock *lock = argument;
        snprintf(armed_at, sizeof armed_at, "%s/arm", folder);
        snprintf(held_at, sizeof held_at, "%s/held", folder);
        snprintf(go_at, sizeof go_at, "%s/go", folder);
        if (lock->l_type == F_WRLCK && lock->l_start == CHECKPOINT_BYTE && access(armed_at, F_OK) == 0)
            take_page_away();
    }
    return done;
}

int fcntl(int descriptor, int command, ...)
{
    va_list given;
    va_start(given, command);
    void *argument = va_arg(given, void *);
    va_end(given);
    return locked("fcntl", descriptor, command, argument);
}

int fcntl64(int descriptor, int command, ...)
{
    va_list given;
    va_start(given, command);
    void *argument = va_arg(given, void *);
    va_end(given);
    return locked("fcntl64", descriptor, command, argument);
}
