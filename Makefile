# quern's front door. The build itself is CMakeLists.txt.
#
#   make            build build/release/quern          make asan, tsan, scalar   quick tests in that build
#   make demo       a model from nothing, in minutes    make levels               quick tests once per ISA level
#   make demo-chat  fetch a real model, talk to it      make demo TIME=10m OUT=long-demo, CORPUS=books/
#   make test       build and run all tests             make fuzz SECONDS=60      every parser under libFuzzer
#   make emulate    rows of other CPUs, emulated: the quick tests of kernels and models
#   make bench      measure this machine                make install PREFIX=/usr/local
#   make deps       install what is missing (apt)       make clean

PREFIX ?= /usr/local
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
SECONDS ?= 60
TIME ?= 3m
OUT ?= build/demo
CORPUS ?=
WERROR ?= OFF
GENERATOR := $(if $(shell command -v ninja),Ninja,Unix Makefiles)
RELEASE := build/release
export JOBS

.PHONY: all help deps build-deps ready demo demo-chat test levels bench asan tsan scalar emulate fuzz install clean
.NOTPARALLEL:

all: ready
	@tools/build.sh release '$(GENERATOR)' $(JOBS) -DQUERN_WERROR=$(WERROR)

help:
	@sed -n '1,/^$$/s/^# \{0,1\}//p' Makefile

deps:
	@tools/deps.sh install

build-deps:
	@tools/deps.sh install 'command library'

ready:
	@tools/deps.sh check

demo: build-deps all
	@$(RELEASE)/quern demo --out '$(OUT)' --time '$(TIME)' $(if $(CORPUS),--corpus '$(CORPUS)')

demo-chat: all
	@tools/demo_chat.sh $(RELEASE)/quern

test: all
	@tools/test.sh $(RELEASE) 'quick|full|style'

levels: all
	@tools/test.sh $(RELEASE) level

bench: all
	@tools/bench.sh $(RELEASE)/quern

asan tsan scalar: ready
	@tools/build.sh $@ '$(GENERATOR)' $(JOBS)
	@tools/test.sh build/$@ $(if $(filter tsan,$@),threads,quick)

emulate: ready
	@TARGET=quern tools/build.sh $@ '$(GENERATOR)' $(JOBS)
	build/$@/quern selftest kernels
	@tools/build.sh $@ '$(GENERATOR)' $(JOBS)
	@tools/test.sh build/$@ emulated

fuzz: ready
	@TARGET=fuzzers tools/build.sh fuzz '$(GENERATOR)' $(JOBS)
	@tools/fuzz.sh build/fuzz $(SECONDS)

install: all
	cmake --install $(RELEASE) --prefix $(PREFIX)

clean:
	rm -rf build/release build/debug build/asan build/tsan build/scalar build/emulate build/fuzz
