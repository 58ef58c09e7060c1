/* tests/unit/test_demo_room.c — a corpus that is too large for its disk is refused before anything is made of it. How
 * much room there is, the test says: nobody writes gigabytes here. */
#include "test.h"

#include <sys/stat.h>

#include "base/dir.h"
#include "base/file.h"
#include "cli/demo.h"

enum { MB = 1000000 };

TEST(a_corpus_must_fit_thrice_and_some) {
    const char *dir = qn_test_temp_dir();
    qn_dir_room_is((int64_t)6 << 30);
    CHECK_OK(qn_demo_room(dir, (int64_t)2000 * MB));
    qn_dir_room_is((int64_t)5000 * MB);
    CHECK_FAIL(qn_demo_room(dir, (int64_t)2000 * MB), QN_EIO,
               "a demo of 2000.0 MB of text takes about 6.2 GB of disk, there are 5.0 GB left; make room, or name "
               "another folder with --out");
    CHECK_OK(qn_demo_room(dir, 1500 * MB));
    qn_dir_room_is(0);
    CHECK_FAIL(qn_demo_room(dir, 1), QN_EIO, "there are 0 MB left");
    qn_dir_room_is(-1);
    CHECK_FAIL(qn_demo_room(dir, (int64_t)1 << 60), QN_EIO, "make room");
}

/* A folder that is still to be made is on the disk of the one that it will stand in. */
TEST(folders_still_to_be_made_are_asked_about) {
    char deep[700];
    snprintf(deep, sizeof deep, "%s/not/there/yet/", qn_test_temp_dir());
    qn_dir_room_is(-1);
    CHECK_OK(qn_demo_room(deep, 1));
    CHECK_OK(qn_demo_room("nor-this", 1));
    qn_dir_room_is(10 * MB);
    CHECK_FAIL(qn_demo_room(deep, 1), QN_EIO, "there are 10 MB left");
    qn_dir_room_is(-1);
    const char *file = qn_test_write("a-file", "x", 1);
    snprintf(deep, sizeof deep, "%s/below", file);
    CHECK_FAIL(qn_demo_room(deep, 1), QN_EIO, "cannot see how much room there is");
}

/* The whole command: the text is read, and then nothing at all is left behind. */
TEST(the_demo_leaves_nothing_where_there_is_no_room) {
    static char text[60000], dir[700];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = i % 60 == 59 ? '\n' : "the mill "[i % 9];
    const char *corpus = qn_test_write("large.txt", text, sizeof text);
    char path[700];
    snprintf(path, sizeof path, "%s", corpus);
    snprintf(dir, sizeof dir, "%s/demo", qn_test_temp_dir());
    const char *const argv[] = {"--corpus", path, "--out", dir, "--quiet"};
    qn_cli c;
    qn_cli_init(&c, (qn_cli_env){0});
    CHECK_OK(qn_cli_parse_as(&c, &qn_cmd_demo, QN_LEN(argv), argv));
    qn_dir_room_is(100 * MB);
    CHECK_FAIL(qn_cmd_demo.run(&c), QN_EIO, "a demo of 0.1 MB of text takes about 0.2 GB of disk, "
               "there are 100 MB left");
    qn_dir_room_is(-1);
    CHECK(!qn_is_dir(dir) && !qn_is_file(dir));
    qn_cli_drop(&c);
}
