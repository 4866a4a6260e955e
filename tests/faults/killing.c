/* Kills the process before, in the middle of, or after the n-th change of files below a folder.
 *
 * Preloaded (LD_PRELOAD) into a process that arms it with `kill_at`; everything that goes through the C library is
 * seen, whichever language and engine it comes from. What counts as a change: opening for writing, writing, renaming,
 * linking, removing, making folders, cutting files. Lock files count nothing: what is in them is for people only.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum moment { BEFORE = 0, HALFWAY = 1, AFTER = 2 };

static char folder[PATH_MAX];
static size_t folder_length;
static long wanted;
static long seen;
static int moment;
static int log_file = -1;
static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;

/* n < 1 only counts. Each change is told to `log` as one line. */
void kill_at(const char *below, long n, int when, int log)
{
    snprintf(folder, sizeof folder, "%s/", below);
    folder_length = strlen(folder);
    wanted = n;
    moment = when;
    log_file = log;
    seen = 0;
}

static void die(void)
{
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) \
        real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static int is_watched(const char *path)
{
    return folder_length && strncmp(path, folder, folder_length) == 0 && !strstr(path, ".wkplug.lock");
}

static int path_of(int file, char *path)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    path[length < 0 ? 0 : length] = 0;
    return length > 0;
}

static void absolute(int base, const char *given, char *path)
{
    char start[PATH_MAX];
    if (given[0] == '/') {
        snprintf(path, PATH_MAX, "%s", given);
        return;
    }
    if (base == AT_FDCWD) {
        if (!getcwd(start, sizeof start))
            start[0] = 0;
    } else if (!path_of(base, start)) {
        start[0] = 0;
    }
    if ((size_t)snprintf(path, PATH_MAX, "%s/%s", start, given) >= PATH_MAX)
        path[0] = 0;
}

/* Counts a change, and dies if it is the one to die before. Gives whether it is the one to die in or after. */
static int counted(const char *what, const char *path)
{
    if (!folder_length || !is_watched(path))
        return 0;
    int saved = errno;
    pthread_mutex_lock(&guard);
    long number = ++seen;
    if (log_file >= 0) {
        REAL(write);
        char line[PATH_MAX + 64];
        int length = snprintf(line, sizeof line, "%s %s\n", what, path + folder_length);
        if (real(log_file, line, length) < 0)
            log_file = -1;
    }
    int chosen = number == wanted;
    if (chosen && moment == BEFORE)
        die();
    pthread_mutex_unlock(&guard);
    errno = saved;
    return chosen;
}

static int counted_at(const char *what, int base, const char *given)
{
    char path[PATH_MAX];
    if (!folder_length)
        return 0;
    absolute(base, given, path);
    return counted(what, path);
}

static int counted_file(const char *what, int file)
{
    char path[PATH_MAX];
    if (!folder_length || file == log_file || !path_of(file, path))
        return 0;
    return counted(what, path);
}

#define THEN_DIE_IF(chosen) \
    if (chosen) \
        die()

#define CHANGES_FILES (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)

#define OPENING(name) \
    int name(const char *path, int flags, ...) \
    { \
        va_list more; \
        va_start(more, flags); \
        mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(more, mode_t) : 0; \
        va_end(more); \
        REAL(name); \
        int chosen = (flags & CHANGES_FILES) ? counted_at("open", AT_FDCWD, path) : 0; \
        int result = real(path, flags, mode); \
        THEN_DIE_IF(chosen); \
        return result; \
    }

#define OPENING_AT(name) \
    int name(int base, const char *path, int flags, ...) \
    { \
        va_list more; \
        va_start(more, flags); \
        mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(more, mode_t) : 0; \
        va_end(more); \
        REAL(name); \
        int chosen = (flags & CHANGES_FILES) ? counted_at("open", base, path) : 0; \
        int result = real(base, path, flags, mode); \
        THEN_DIE_IF(chosen); \
        return result; \
    }

OPENING(open)
OPENING(open64)
OPENING_AT(openat)
OPENING_AT(openat64)

int creat(const char *path, mode_t mode)
{
    return open(path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

ssize_t write(int file, const void *data, size_t count)
{
    REAL(write);
    int chosen = counted_file("write", file);
    ssize_t result = real(file, data, chosen && moment == HALFWAY ? count / 2 : count);
    THEN_DIE_IF(chosen);
    return result;
}

#define WRITING_AT(name, offset_type) \
    ssize_t name(int file, const void *data, size_t count, offset_type offset) \
    { \
        REAL(name); \
        int chosen = counted_file("write", file); \
        ssize_t result = real(file, data, chosen && moment == HALFWAY ? count / 2 : count, offset); \
        THEN_DIE_IF(chosen); \
        return result; \
    }

WRITING_AT(pwrite, off_t)
WRITING_AT(pwrite64, off64_t)

ssize_t writev(int file, const struct iovec *parts, int count)
{
    REAL(writev);
    int chosen = counted_file("write", file);
    ssize_t result = real(file, parts, chosen && moment == HALFWAY && count > 1 ? count / 2 : count);
    THEN_DIE_IF(chosen);
    return result;
}

#define WRITING_PARTS_AT(name, offset_type) \
    ssize_t name(int file, const struct iovec *parts, int count, offset_type offset) \
    { \
        REAL(name); \
        int chosen = counted_file("write", file); \
        ssize_t result = real(file, parts, chosen && moment == HALFWAY && count > 1 ? count / 2 : count, offset); \
        THEN_DIE_IF(chosen); \
        return result; \
    }

WRITING_PARTS_AT(pwritev, off_t)
WRITING_PARTS_AT(pwritev64, off64_t)

#define CHANGING(what, name, parameters, arguments, base, path) \
    int name parameters \
    { \
        REAL(name); \
        int chosen = counted_at(what, base, path); \
        int result = real arguments; \
        THEN_DIE_IF(chosen); \
        return result; \
    }

CHANGING("rename", rename, (const char *from, const char *to), (from, to), AT_FDCWD, from)
CHANGING("rename", renameat, (int a, const char *from, int b, const char *to), (a, from, b, to), a, from)
CHANGING("rename", renameat2, (int a, const char *from, int b, const char *to, unsigned int flags),
         (a, from, b, to, flags), a, from)
CHANGING("unlink", unlink, (const char *path), (path), AT_FDCWD, path)
CHANGING("unlink", unlinkat, (int base, const char *path, int flags), (base, path, flags), base, path)
CHANGING("rmdir", rmdir, (const char *path), (path), AT_FDCWD, path)
CHANGING("mkdir", mkdir, (const char *path, mode_t mode), (path, mode), AT_FDCWD, path)
CHANGING("mkdir", mkdirat, (int base, const char *path, mode_t mode), (base, path, mode), base, path)
CHANGING("link", link, (const char *from, const char *to), (from, to), AT_FDCWD, to)
CHANGING("link", linkat, (int a, const char *from, int b, const char *to, int flags), (a, from, b, to, flags), b, to)
CHANGING("symlink", symlink, (const char *from, const char *to), (from, to), AT_FDCWD, to)
CHANGING("symlink", symlinkat, (const char *from, int base, const char *to), (from, base, to), base, to)
CHANGING("truncate", truncate, (const char *path, off_t length), (path, length), AT_FDCWD, path)

#define CHANGING_FILE(what, name, parameters, arguments, file) \
    int name parameters \
    { \
        REAL(name); \
        int chosen = counted_file(what, file); \
        int result = real arguments; \
        THEN_DIE_IF(chosen); \
        return result; \
    }

CHANGING_FILE("truncate", ftruncate, (int file, off_t length), (file, length), file)
CHANGING_FILE("truncate", ftruncate64, (int file, off64_t length), (file, length), file)

ssize_t copy_file_range(int from, off64_t *start, int to, off64_t *place, size_t length, unsigned int flags)
{
    REAL(copy_file_range);
    int chosen = counted_file("write", to);
    ssize_t result = real(from, start, to, place, chosen && moment == HALFWAY ? length / 2 : length, flags);
    THEN_DIE_IF(chosen);
    return result;
}

#define SENDING(name, offset_type) \
    ssize_t name(int to, int from, offset_type *start, size_t length) \
    { \
        REAL(name); \
        int chosen = counted_file("write", to); \
        ssize_t result = real(to, from, start, chosen && moment == HALFWAY ? length / 2 : length); \
        THEN_DIE_IF(chosen); \
        return result; \
    }

#include <sys/sendfile.h>
SENDING(sendfile, off_t)
SENDING(sendfile64, off64_t)

/* A kill, unlike a power failure, loses nothing that was written: waiting for the disk would only make rounds slow. */
int fsync(int file)
{
    (void)file;
    return 0;
}

int fdatasync(int file)
{
    (void)file;
    return 0;
}
