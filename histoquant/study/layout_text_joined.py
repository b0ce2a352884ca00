"""Every column of the tables that join outcomes or readers, as `layout` reads them."""

from __future__ import annotations

UNBLINDED = """
[response_points] One row per patient, measure and later timepoint: change beside response.
patient text patient
response text closed, improved or resistant
measure text see measures.csv
marker text see measures.csv
role text see measures.csv
scale text see measures.csv
timepoint text label
change number from patient_changes.csv
ratio number exp(change)
reason text why a cell is empty

[response_groups] One row per measure, timepoint and response.
measure text see measures.csv
marker text see measures.csv
scale text see measures.csv
timepoint text label
response text resistant, improved or closed
patients count patients with a change
median number median change
quartile_low number lower quartile
quartile_high number upper quartile
reason text why a cell is empty

[response] One row per measure and later timepoint: association of change with the ordered response.
measure text see measures.csv
marker text see measures.csv
role text see measures.csv
scale text see measures.csv
timepoint text label
patients count patients with a change and a response
groups text patients per response
jt_j number Jonckheere-Terpstra statistic over resistant, improved, closed
jt_expected number its mean without association
jt_p number two-sided
jt_method text `exact` or `permutation n`
auc number share of pairs (closed, not closed) in which the closed one fell further; ties by half
auc_low number lower 95 % limit, Newcombe (method 5)
auc_high number upper limit
auc_p number exact or permutation Mann-Whitney, two-sided
tract_odds_ratio number closure per standard deviation of fall, GEE by patient, tract rows
tract_low number lower 95 % limit
tract_high number upper limit
tract_p number two-sided
tracts count tracts in that model
jt_p_holm number main measures: adjusted over the markers (Holm)
reason text why a cell is empty

[proportions] One row per outcome share.
what text `closed`, `closed or improved`, or an event
unit text `patients` or `tracts`
among text `with an outcome`, or `all enrolled` (unknown counted as not; responses only)
successes count numerator
total count denominator
percent number share
low number lower 95 % limit: patients Clopper-Pearson, tracts Korn-Graubard
high number upper limit
reason text why a cell is empty

[arms] One row per measure, later timepoint and arm against the reference arm: association, not effect.
measure text see measures.csv
marker text see measures.csv
role text see measures.csv
scale text see measures.csv
timepoint text label
arm text arm
reference_arm text arm compared with
patients count in the arm
reference_patients count in the reference arm
difference number adjusted for baseline (ANCOVA, HC3); log scale: ln ratio
low number lower 95 % limit
high number upper limit
p number two-sided
ratio number exp(difference); log scale only
ratio_low number exp(low)
ratio_high number exp(high)
site_difference number beside it, adjusted for baseline and for the share of the patient's tracts at each site
site_difference_low number lower 95 % limit
site_difference_high number upper limit
site_p number two-sided
site_reason text why there is none
p_holm number main measures: adjusted over the markers (Holm)
reason text why a cell is empty

[events] One row per arm against the reference arm: a yes/no outcome.
event text which
arm text arm
reference_arm text arm compared with
events count in the arm
patients count in the arm
reference_events count in the reference arm
reference_patients count in the reference arm
risk_difference number arm minus reference
low number lower 95 % limit, Newcombe
high number upper limit
boschloo_p number exact unconditional, two-sided
reason text why a cell is empty
"""

READERS = """
[agreement] One row per pair of readers (the machine is one), measure and level.
measure text what was read
rater_a text machine or a reader
rater_b text a reader, or the same reader's second read
level text `level`, or `change` from baseline
scale text `log`, `difference` or `grade`
readings count pairs
patients count patients
icc number ICC(A,1): two-way, absolute agreement, single reader
icc_low number lower 95 % limit
icc_high number upper limit
icc_class text of the lower limit: poor < 0.5, moderate < 0.75, good < 0.9, excellent
ccc number Lin's concordance
ccc_low number lower 95 % limit
ccc_high number upper limit
bias number mean difference b - a; log scale: ln ratio
bias_low number lower 95 % limit over patients
bias_high number upper limit
loa_low number lower limit of agreement, bias - 1.96 sd, the sd between patients and within
loa_low_from number lower 95 % limit of it
loa_low_to number upper limit
loa_high number upper limit of agreement
loa_high_from number lower 95 % limit of it
loa_high_to number upper limit
bias_ratio number exp(bias); log scale only
loa_ratio_low number exp(loa_low)
loa_ratio_high number exp(loa_high)
kappa number quadratic-weighted kappa; grades only
kappa_low number lower 95 % limit
kappa_high number upper limit
sem number standard error of measurement, sd of differences / sqrt(2)
smallest_detectable number 1.96 sqrt(2) sem
spearman number rank correlation; no measure of agreement
reason text why a cell is empty

[agreement_pairs] One row per pair of readings, on the scale compared.
measure text what was read
rater_a text see agreement.csv
rater_b text see agreement.csv
level text `level` or `change`
patient text patient
tract text tract
timepoint text label
slide_id text where slides were read
a number first reading, on the scale compared
b number second reading
mean number (a + b) / 2
difference number b - a

[reader_scores] One row per imported pathologist score and reader; such scores are never computed here.
score text name in the reader file
reader text reader
biopsies count biopsies with both
patients count patients
spearman number rank correlation with the inflammation index
low number lower 95 % limit over patients
high number upper limit
reason text why a cell is empty
"""
