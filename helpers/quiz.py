"""The quiz at the end of each module: choosing an answer shows at once if it is right, and why.

The questions are data, below; everything happens on this machine and nothing is recorded.
"""

import html
from dataclasses import dataclass
from textwrap import fill, indent

import ipywidgets as widgets
from IPython.display import display

from helpers.banner import COLOURS
from helpers.widgets import show_controls


@dataclass(frozen=True)
class Option:
    """One answer, whether it is the right one, and the sentence that says why."""

    text: str
    reason: str
    right: bool = False


@dataclass(frozen=True)
class Question:
    """A question with its answers, of which exactly one is right."""

    text: str
    options: tuple[Option, ...]


QUESTIONS = {
    "01": (
        Question(
            "A threshold is set at the mean plus one standard deviation of validation losses that "
            "were averaged over batches of 64 images, and is then used on single images. What "
            "happens?",
            (
                Option(
                    "Nothing unusual: batch means and image errors have the same mean.",
                    "The means agree, the spreads do not: a mean of 64 independent errors has an "
                    "eighth of the spread of one error.",
                ),
                Option(
                    "It flags too few images, because a mean hides the extremes.",
                    "The other way round: since batch means spread less, the threshold lies lower "
                    "than one standard deviation of single errors would put it.",
                ),
                Option(
                    "It flags far more normal images than a rule set on single images.",
                    "Batch means spread about √64 = 8 times less than single errors, so the "
                    "threshold lies just above the mean error, and a large share of normal images "
                    "lies above that.",
                    right=True,
                ),
                Option(
                    "It goes wrong only where the last batch is incomplete.",
                    "An incomplete batch adds a little noise, but the rule would fail in the same "
                    "way with batches that are all full.",
                ),
            ),
        ),
        Question(
            "A detector flags an image when its split-conformal p-value is at most 0.05. What is "
            "promised, if calibration images and new normal images are exchangeable?",
            (
                Option(
                    "At least 95 % of the anomalies are flagged.",
                    "The p-value is computed from normal images alone, so it can promise nothing "
                    "about anomalies: a useless score keeps the promise as well as a good one.",
                ),
                Option(
                    "At most 5 % of the flagged images are normal.",
                    "That share also depends on how rare anomalies are: where every image is "
                    "normal, all that is flagged is normal.",
                ),
                Option(
                    "With this calibration set, at most 5 % of all future normal images are "
                    "flagged.",
                    "The promise is marginal: an average over calibration sets. A single one may "
                    "lie a little above or below, and the more so the smaller it is.",
                ),
                Option(
                    "Averaged over calibration sets, at most 5 % of new normal images are flagged.",
                    "The rank of a new normal image among the calibration images is uniform, so "
                    "P(p ≤ 0.05) ≤ 0.05 for any score and any finite n, averaged over the draw of "
                    "the calibration set.",
                    right=True,
                ),
            ),
        ),
        Question(
            "A broken detector gives every image the same score. What is its AUROC, by ranks?",
            (
                Option(
                    "0, because no anomaly scores above a normal image.",
                    "That counts ties as lost. By ranks a tie counts one half, since a coin would "
                    "have to decide between the two images.",
                ),
                Option(
                    "0.5: every pair of a normal image and an anomaly is a tie.",
                    "AUROC is the probability that an anomaly scores above a normal image, ties "
                    "counting half. All pairs are ties here, so the score ranks nothing.",
                    right=True,
                ),
                Option(
                    "0.5: half of the images are classified correctly.",
                    "The number is right, the reading is not: AUROC speaks of pairs and needs no "
                    "threshold. With any threshold this detector flags all images or none.",
                ),
                Option(
                    "1, because no normal image scores above an anomaly.",
                    "That counts ties as won, which is what an implementation with ≥ in place of "
                    "> and a half for ties would report.",
                ),
            ),
        ),
        Question(
            "An autoencoder was trained on normal images only, yet it reconstructs some anomalies "
            "very well. What is the most likely reason?",
            (
                Option(
                    "What it learned, strokes and smooth shapes, also describes those anomalies.",
                    "Training asks for a small error on normal images and never for a large one "
                    "elsewhere. Images made of the same parts, or simpler ones, are reconstructed "
                    "too.",
                    right=True,
                ),
                Option(
                    "The latent space is too small.",
                    "A smaller code makes more images hard to reconstruct. It is a wide code that "
                    "lets the network copy anything.",
                ),
                Option(
                    "The threshold was set too high.",
                    "The threshold decides what is done with an error. The error itself is small "
                    "before any threshold is chosen.",
                ),
                Option(
                    "There must have been anomalies among the training images.",
                    "That would help them too, but it is not needed: a network reconstructs what "
                    "its parts can express, and that is more than it has seen.",
                ),
            ),
        ),
        Question(
            "Is a plain autoencoder a generative model of the images?",
            (
                Option(
                    "Yes: decoding a random code gives a new image.",
                    "A random code drawn from what? Training fixes no distribution of the codes, "
                    "and codes far from those of real images may decode to anything.",
                ),
                Option(
                    "Yes: it interpolates smoothly between two images.",
                    "That shows that the decoder is smooth between known codes. It gives neither "
                    "new samples in the right proportions nor a probability of an image.",
                ),
                Option(
                    "No: its decoder is deterministic.",
                    "So is the generator of a GAN, which is a generative model. What is missing is "
                    "a distribution to draw the input of the decoder from.",
                ),
                Option(
                    "No: it defines no distribution of the codes, hence none of the images.",
                    "There is nothing to sample from and no p(x) to evaluate. A variational "
                    "autoencoder adds a prior on the codes, and with it samples and a bound on "
                    "p(x).",
                    right=True,
                ),
            ),
        ),
    ),
    "02": (
        Question(
            "A loss adds the squared error, averaged over the 784 pixels of each image, to the KL "
            "of that image, summed over the latents. Which beta does it mean, for Gaussian pixels "
            "with a variance of 1?",
            (
                Option(
                    "beta = 1: both terms stand in the loss with the factor 1.",
                    "Equal factors mean beta = 1 only if both terms are in nats. A mean over "
                    "pixels is not: up to a constant, -log p(x given z) is half the sum of the "
                    "squared errors.",
                ),
                Option(
                    "beta = 1/392: the KL counts 392 times too little.",
                    "Upside down. The mean makes the error small, so that it is the KL that counts "
                    "too much.",
                ),
                Option(
                    "beta = 392: the KL counts 392 times more than in the ELBO.",
                    "In nats the error is half a sum over 784 pixels, which is 392 times the mean. "
                    "Multiplied by 392 the loss is -log p(x given z) + 392·KL, up to a constant.",
                    right=True,
                ),
                Option(
                    "beta = 784: the number of pixels over which the mean was taken.",
                    "Nearly: that would be right if the squared error itself were in nats. The "
                    "Gaussian has a factor of one half, which leaves 784 / 2.",
                ),
            ),
        ),
        Question(
            "How do the ELBO of an image, its IWAE bound (both averaged over many draws of z) and "
            "log p(x) stand to one another, and what does the ELBO lack?",
            (
                Option(
                    "ELBO ≤ IWAE ≤ log p(x); the ELBO lacks KL(q(z given x) ‖ p(z given x)).",
                    "The gap is how far the encoder is from the true posterior. IWAE averages the "
                    "weights inside the logarithm, which loses less, the less the more draws.",
                    right=True,
                ),
                Option(
                    "ELBO ≤ IWAE ≤ log p(x); the ELBO lacks KL(q(z given x) ‖ p(z)).",
                    "The order is right. But the KL to the prior is a term of the ELBO; the gap is "
                    "the KL to the true posterior p(z given x), which the ELBO does not show.",
                ),
                Option(
                    "log p(x) ≤ ELBO ≤ IWAE: the more draws, the further above log p(x).",
                    "Both are lower bounds, since the logarithm of a mean is at least the mean of "
                    "the logarithms. More draws bring IWAE up towards log p(x), not beyond it.",
                ),
                Option(
                    "IWAE ≤ ELBO ≤ log p(x): IWAE pays for the noise of its draws.",
                    "With one draw the two agree on average, and further draws never lower the "
                    "average of IWAE.",
                ),
            ),
        ),
        Question(
            "In a trained VAE one latent has a KL of 0 nats on every image. What does that mean?",
            (
                Option(
                    "It keeps all that it is given: no information is lost in it.",
                    "The other way round: the KL is the price in nats of what a latent tells about "
                    "the image. What costs nothing tells nothing.",
                ),
                Option(
                    "Its mu is always 0, but its sigma may still tell images apart.",
                    "A sigma other than 1 costs nats too: the KL is 0 only if the two "
                    "distributions are the same, in mean and in spread.",
                ),
                Option(
                    "Training has failed, and the VAE reconstructs nothing.",
                    "One latent that does not pay for itself is switched off, and the others may "
                    "do well. It is a collapse of the posterior if all of them are at 0.",
                ),
                Option(
                    "Its q(z given x) is N(0, 1) on every image: it says nothing about the image.",
                    "A KL of 0 means that both distributions are equal. The decoder is given the "
                    "same noise there for every image, and does best to ignore it.",
                    right=True,
                ),
            ),
        ),
        Question(
            "Anomaly scores are turned into 1 above a threshold and 0 below it, and the AUROC of "
            "these ones and zeros is reported. What is that number?",
            (
                Option(
                    "The AUROC of the scores, since the threshold keeps their order.",
                    "It keeps the order across the threshold only. All pairs on the same side of "
                    "it become ties, and a tie counts one half.",
                ),
                Option(
                    "Balanced accuracy: the mean of detection rate and 1 - false-alarm rate.",
                    "The ROC curve of ones and zeros has a single corner, and the area below it is "
                    "(detection rate + 1 - false-alarm rate) / 2. It judges one threshold, not "
                    "the score.",
                    right=True,
                ),
                Option(
                    "Accuracy: the share of images that are on the right side of the threshold.",
                    "Accuracy depends on how many images of each kind there are. Here both kinds "
                    "count the same, however many there are of each.",
                ),
                Option(
                    "A lower bound of the AUROC of the scores.",
                    "Often it is lower, but not always: if the scores rank wrongly on both sides "
                    "of the threshold, making ties of those pairs raises the number.",
                ),
            ),
        ),
        Question(
            "A VAE that never saw the digit 1 gives ones a higher likelihood than the digits it "
            "was trained on. Why, and what does a correction for complexity cost?",
            (
                Option(
                    "The ELBO is only a bound. The exact log p(x) costs time and ranks ones right.",
                    "The gap is not the cause: normalising flows compute log p(x) exactly, and "
                    "they too give simple images of another kind a higher likelihood.",
                ),
                Option(
                    "Ones must have slipped into the training set. Taking them out costs labels.",
                    "The model need not have seen them: short strokes on black, which all digits "
                    "share, are all that it takes to describe a one.",
                ),
                Option(
                    "Simple images cost few nats. Corrected, complex anomalies are found less "
                    "often.",
                    "Little ink leaves little to get wrong. A correction raises the scores of "
                    "simple images and lowers those of complex images: ones may be found, but "
                    "anomalies with much ink are lost, and simple normal images are flagged.",
                    right=True,
                ),
                Option(
                    "Simple images cost few nats. The correction ranks better, at no cost at all.",
                    "The reason is right. But whatever lifts the scores of simple images lowers "
                    "those of complex images beside them, among the anomalies as well.",
                ),
            ),
        ),
    ),
    "03": (
        Question(
            "A data set holds exact copies of some images. Positions are shuffled with a fixed "
            "seed and cut into training and test part. What goes wrong?",
            (
                Option(
                    "Nothing: the seed makes the split reproducible.",
                    "For one order of the files. And in any order, copies of training images land "
                    "in the test part, where the network meets what it was trained on.",
                ),
                Option(
                    "Training takes longer, since some images come twice.",
                    "A little, but that is harmless. What matters is on which side the second "
                    "copy lies.",
                ),
                Option(
                    "Test images may be copies of training images, so errors look too small.",
                    "A network rebuilds what it was trained on better than what it was not. The "
                    "test part should hold only images that it has never seen, in any copy.",
                    right=True,
                ),
                Option(
                    "Too many anomalies are found.",
                    "Copies of normal training images get low scores: they make normal images "
                    "look more normal, and say nothing about anomalies.",
                ),
            ),
        ),
        Question(
            "A paper compares an autoencoder scored by its reconstruction with a VAE scored by its "
            "KL term, and finds the autoencoder better. What follows?",
            (
                Option(
                    "Nothing about models: model and score were changed at the same time.",
                    "The same VAE scored by its reconstruction, or the same score on both, would "
                    "tell which of the two made the difference.",
                    right=True,
                ),
                Option(
                    "Autoencoders are better detectors than VAEs.",
                    "The difference may come from the score alone. The VAE reconstructs, too, and "
                    "was not asked to be judged by that.",
                ),
                Option(
                    "Likelihood is a worse score than reconstruction.",
                    "The KL term is not the likelihood, nor the bound on it: the ELBO has the "
                    "reconstruction as its other half.",
                ),
                Option(
                    "VAEs should be trained longer.",
                    "Perhaps, but this comparison does not show it. A fair one comes first.",
                ),
            ),
        ),
        Question(
            "Two detectors are judged on the same test images. Their 95 % intervals for the AUROC "
            "overlap. Is one better than the other?",
            (
                Option(
                    "No: overlapping intervals mean that there is no difference.",
                    "They would overlap as well if one detector were a little better on every "
                    "draw: both go up and down together with the images that are drawn.",
                ),
                Option(
                    "Yes, the one with the higher AUROC.",
                    "It is higher on these images. Whether it would be on others is what an "
                    "interval of the difference tells.",
                ),
                Option(
                    "That cannot be known without a second test set.",
                    "It would help, but the present one can say much: it can be redrawn.",
                ),
                Option(
                    "Look at the interval of the difference, both judged on the same draws.",
                    "What is hard for one is mostly hard for the other, so the luck of the draw "
                    "cancels in the difference, and its interval is narrower.",
                    right=True,
                ),
            ),
        ),
        Question(
            "A detector has an AUROC of 0.97 over five classes of anomalies, each with the same "
            "number of images. What is the lowest AUROC that one class can have?",
            (
                Option(
                    "0.97: it is the same for each class.",
                    "It is the mean of the five. A mean says nothing about the spread.",
                ),
                Option(
                    "0.85: four classes at 1 and one at 0.85 have a mean of 0.97.",
                    "AUROC over all is the mean over the classes, weighted with their "
                    "sizes. 4 · 1 + 0.85 = 4.85 = 5 · 0.97.",
                    right=True,
                ),
                Option(
                    "0.5: no class can be worse than chance.",
                    "A class can lie below chance, as classes that are easy to rebuild do. But "
                    "here the mean would then be at most 0.9.",
                ),
                Option(
                    "0.94: as far below 0.97 as 1 is above it.",
                    "That would hold for two classes. With five, four can carry the fifth.",
                ),
            ),
        ),
        Question(
            "A residual map finds bright synthetic lesions well. What does that show about real "
            "ones?",
            (
                Option(
                    "It finds lesions, whatever they look like.",
                    "A residual compares grey values. A lesion as bright as its surroundings "
                    "leaves little residual, however clearly one sees that the texture is gone.",
                ),
                Option(
                    "It finds what differs in brightness; other lesions have to be tried.",
                    "Vary what the map may rely on: brightness, size, texture. Where the map loses "
                    "its lesions you have found its blind spot.",
                    right=True,
                ),
                Option(
                    "Nothing at all, since they are synthetic.",
                    "Synthetic lesions have masks and can be varied one property at a time, which "
                    "real ones cannot. They show where a map fails.",
                ),
                Option(
                    "It works if pixel AUROC is above 0.9.",
                    "Lesions cover few pixels, so a high pixel AUROC can go with a map in which "
                    "most of the flagged pixels are healthy: look at average precision and Dice.",
                ),
            ),
        ),
    ),
    "04": (
        Question(
            "A classifier of cats and dogs calls a frog a dog, with a probability of 97 %. Which "
            "kind of uncertainty was overlooked?",
            (
                Option(
                    "Aleatoric: the picture does not show what it is.",
                    "The picture shows plainly what it is. Aleatoric is what stays open however "
                    "much one has learned, such as a cat too blurred to be told from a dog.",
                ),
                Option(
                    "Distributional: the question does not fit the picture.",
                    "The frog comes from another distribution than the training pictures. The "
                    "softmax must share 100 % between cat and dog, whatever it is shown.",
                    right=True,
                ),
                Option(
                    "None: 97 % says that the network is nearly sure.",
                    "It is sure that, of the two, dog fits better. That neither fits cannot be "
                    "said by two probabilities that sum to one.",
                ),
                Option(
                    "A temperature that was not fitted.",
                    "A temperature makes 97 % mean 97 % on cats and dogs. A frog stays a question "
                    "without a right answer at any temperature.",
                ),
            ),
        ),
        Question(
            "A screen is calibrated at alpha = 5 % on cats and dogs. A score of pure noise is put "
            "in its place and calibrated alike. Which of its promises does it break?",
            (
                Option(
                    "None: 5 % of new cats and dogs are refused, as promised.",
                    "The promise is about normal pictures alone, and holds for any score. What "
                    "noise loses is the rest: it refuses 5 % of the frogs as well.",
                    right=True,
                ),
                Option(
                    "The false-alarm rate: noise refuses about half of the cats.",
                    "Its threshold is set by its own calibration scores, so 5 % of new cats and "
                    "dogs lie above it, as with every score.",
                ),
                Option(
                    "The detection rate of 95 %.",
                    "No detection rate was promised. A conformal calibration sees no anomaly, so "
                    "it cannot know how many will be found.",
                ),
                Option(
                    "The interval: a noisy score makes the rate vary more.",
                    "How much the rate varies depends on alpha and on the numbers of calibration "
                    "and test pictures, not on the score: it is the beta-binomial law for all.",
                ),
            ),
        ),
        Question(
            "Why does the autoencoder, trained on cats and dogs, rebuild many birds better than "
            "cats?",
            (
                Option(
                    "It has seen birds among its training pictures.",
                    "It has not: only cats and dogs take part. It rebuilds what its code can "
                    "express, and that is not bound to what it has seen.",
                ),
                Option(
                    "Its code is too small for cats.",
                    "A small code makes all pictures hard to rebuild. The difference between the "
                    "classes comes from the pictures.",
                ),
                Option(
                    "Birds before a smooth sky have less to rebuild.",
                    "The error follows the complexity of a picture: smooth ones have small errors, "
                    "whatever they show. Nothing in the training asks what is on them.",
                    right=True,
                ),
                Option(
                    "The threshold was set too low.",
                    "The errors are what they are before any threshold is chosen.",
                ),
            ),
        ),
        Question(
            "Logits (9, 1) and (1, -7): what do the maximum softmax and the energy say of the two "
            "pictures?",
            (
                Option(
                    "Both scores find them alike.",
                    "The softmax sees differences only, and both are 8. The energy also sees the "
                    "height: about -9 for the first, about -1 for the second.",
                ),
                Option(
                    "The softmax finds them alike, the energy the second more anomalous.",
                    "Adding a number to all logits leaves the softmax as it is. The energy is "
                    "about minus the largest logit, so -9 and -1: the higher is more anomalous.",
                    right=True,
                ),
                Option(
                    "The softmax finds them alike, the energy the first more anomalous.",
                    "The energy has a minus: a large logit makes it low, and low is normal.",
                ),
                Option(
                    "The energy finds them alike, the softmax does not.",
                    "The other way round: it is the softmax that only sees differences.",
                ),
            ),
        ),
        Question(
            "A screen refuses 5 % of the cats and dogs and 14 % of the others. One picture in a "
            "hundred is one of the others. Of the refused pictures, how many are others?",
            (
                Option(
                    "About 14 %.",
                    "That is the share of the others that is refused, not the share of the refused "
                    "that are others: the rule of Bayes links them.",
                ),
                Option(
                    "About 74 %: 14 of 19.",
                    "That would hold if both kinds came equally often. Of 10,000 pictures only 100 "
                    "are others here.",
                ),
                Option(
                    "About 3 %: 14 of 509.",
                    "Of 10,000 pictures 100 are others, of which 14 are refused; of the 9,900 cats "
                    "and dogs 495 are. So 14 of 509: most refusals hit the wrong ones.",
                    right=True,
                ),
                Option(
                    "About 95 %, since the screen is calibrated at 5 %.",
                    "Calibration at 5 % is about normal pictures: it says nothing on what the "
                    "refused ones are.",
                ),
            ),
        ),
    ),
    "05": (
        Question(
            "The parameters of an encoder have requires_grad = False. The model around it is put "
            "into train mode, as before every epoch. What of the encoder can still change?",
            (
                Option(
                    "Nothing: without gradients the optimizer cannot touch it.",
                    "The optimizer cannot. But BatchNorm updates its running mean and variance in "
                    "the forward pass, with no gradient at all.",
                ),
                Option(
                    "The running statistics of its BatchNorm layers.",
                    "In train mode each batch moves them. Eval mode, kept by force if need be, is "
                    "the other half of freezing.",
                    right=True,
                ),
                Option(
                    "Its biases, since weight decay acts on them.",
                    "A parameter without gradient is skipped by the optimizer, weight decay and "
                    "all.",
                ),
                Option(
                    "The weights of the layer next to the decoder.",
                    "Gradients stop at no border; they reach no parameter that does not ask for "
                    "them.",
                ),
            ),
        ),
        Question(
            "The rule z >= 3 takes mean and spread from the normal scans of the test set, and its "
            "false-alarm rate is then counted on the same scans. What is wrong?",
            (
                Option(
                    "Nothing: mean and spread of normal scans are what the rule needs.",
                    "They are, but from other scans than those that examine the rule.",
                ),
                Option(
                    "The scores are not Gaussian, so z has no meaning.",
                    "z then promises no rate, which is a reason to count it. But it can be "
                    "counted only on scans that did not set the rule.",
                ),
                Option(
                    "The scans that examine the rule have set it.",
                    "Whatever is special about the test normals has been absorbed by the rule. On "
                    "the next patients it has not.",
                    right=True,
                ),
                Option(
                    "There should be as many diseased scans in it.",
                    "Diseased scans belong in no calibration: they would push mean and spread up.",
                ),
            ),
        ),
        Question(
            "A CAE on an encoder pretrained with all labels finds a disease better than one on a "
            "random encoder. Which comparison tells whether it would find an *unknown* disease?",
            (
                Option(
                    "The same again with more labelled scans of that disease.",
                    "That measures how much the labels help, not what happens without them.",
                ),
                Option(
                    "An encoder pretrained on normals and another disease, judged on this one.",
                    "Labels were used, but none of the disease that is judged: what it gains over "
                    "random is transfer, not leak.",
                    right=True,
                ),
                Option(
                    "The AUROC with a bootstrap interval over patients.",
                    "It says how sure the number is, not where it comes from.",
                ),
                Option(
                    "Training the decoder on other normal scans.",
                    "The decoder never saw a disease. What saw the labels was the encoder.",
                ),
            ),
        ),
        Question(
            "A test set has 800 scans of 200 patients. A bootstrap redraws scans and gives an "
            "AUROC of 0.70 to 0.76. What will redrawing patients most likely give?",
            (
                Option(
                    "The same interval: it is the same scans.",
                    "Scans of one patient are alike, so there are fewer independent ones than 800.",
                ),
                Option(
                    "A narrower one, since there are fewer patients than scans.",
                    "Fewer independent things vary more from draw to draw, not less.",
                ),
                Option(
                    "A wider one.",
                    "With every patient come or go several similar scans, so that results vary "
                    "more. The interval for new patients is the wider one.",
                    right=True,
                ),
                Option(
                    "Another AUROC.",
                    "The AUROC itself is the same; only what counts as another test set changes.",
                ),
            ),
        ),
        Question(
            "A residual map has its brightest pixels on the edges of healthy layers, in every "
            "scan. Why does that hide lesions?",
            (
                Option(
                    "Because lesions have no edges.",
                    "Most have. But the residual of a lesion competes with that of all healthy "
                    "edges.",
                ),
                Option(
                    "A lesion must outshine the ordinary mistakes of the decoder.",
                    "What blur leaves over in healthy tissue is the noise in which the lesion has "
                    "to be seen.",
                    right=True,
                ),
                Option(
                    "Because the loss was that of Huber and not the squared error.",
                    "With delta = 1 and pixels in [-1, 1] the two hardly differ. Both blur.",
                ),
                Option(
                    "It does not: each scan can be stretched to the full range.",
                    "Then the edges of every healthy scan are as bright as the worst lesion.",
                ),
            ),
        ),
    ),
}


def quiz(module):
    """The quiz of a module, for example quiz("01"), to be shown as the last value of a cell."""
    if module not in QUESTIONS:
        raise ValueError(f"no quiz for module {module!r}; there are {', '.join(QUESTIONS)}")
    return Quiz(QUESTIONS[module])


class Quiz:
    """Questions with radio buttons, and below the same as text for those who read without running.

    radios, feedback : the widgets of each question; a radio's value is the position of the option
    """

    def __init__(self, questions):
        self.questions = questions
        self.radios = [_radio(question) for question in questions]
        self.feedback = [widgets.HTML() for _ in questions]
        for question, radio, feedback in zip(questions, self.radios, self.feedback, strict=True):
            radio.observe(_answer(question, feedback), "value")

    def _ipython_display_(self):
        parts = [widgets.HTML(STYLE)]
        for number, question in enumerate(self.questions):
            heading = f"<b>{number + 1}.</b> {html.escape(question.text)}"
            heading = f'<div style="margin-top:.8em">{heading}</div>'
            parts += [widgets.HTML(heading), self.radios[number], self.feedback[number]]
        box = widgets.VBox(parts)
        box.add_class("course-quiz")
        show_controls(box, "Quiz: run this cell to answer by clicking; as text it stands below.")
        display(_Text(self.questions))

    def __repr__(self):
        return repr(_Text(self.questions))


# long answers wrap instead of running out of the page
STYLE = """<style>
.course-quiz { max-width: 60em; }
.course-quiz .widget-html-content { line-height: 1.45; height: auto; }
.course-quiz .widget-radio, .course-quiz .widget-radio-box { width: auto; height: auto; }
.course-quiz .widget-radio-box label { height: auto; line-height: 1.45; white-space: normal; }
</style>"""


def _radio(question):
    options = [(option.text, position) for position, option in enumerate(question.options)]
    return widgets.RadioButtons(options=options, value=None, layout={"width": "auto"})


def _answer(question, feedback):
    def show(change):
        option = question.options[change.new]
        colour = COLOURS["good" if option.right else "bad"]
        feedback.value = (
            f'<div style="border-left:.3em solid rgb({colour});background:rgba({colour},.12);'
            f'padding:.4em .9em;line-height:1.45"><b>{_verdict(option)}</b> '
            f"{html.escape(option.reason)}</div>"
        )

    return show


def _verdict(option):
    return "Right." if option.right else "Not this one."


def _lettered(question):
    return zip("ABCDEF", question.options, strict=False)


class _Text:
    """The questions as text, the answers folded away where HTML can do so."""

    def __init__(self, questions):
        self.questions = questions

    def _repr_html_(self):
        parts = []
        for number, question in enumerate(self.questions, start=1):
            options, reasons = [], []
            for letter, option in _lettered(question):
                options.append(f"{letter}. {html.escape(option.text)}")
                reason = html.escape(option.reason)
                reasons.append(f"{letter}. <b>{_verdict(option)}</b> {reason}")
            parts.append(
                f"<p><b>{number}.</b> {html.escape(question.text)}</p>"
                f"<p>{'<br>'.join(options)}</p>"
                f"<details><summary>Answer</summary><p>{'<br>'.join(reasons)}</p></details>"
            )
        return (
            "<details><summary>The questions as text, with the answers</summary>"
            f'<div style="max-width:60em;line-height:1.45">{"".join(parts)}</div></details>'
        )

    def __repr__(self):
        lines = []
        for number, question in enumerate(self.questions, start=1):
            lines.append(fill(f"{number}. {question.text}", 88, subsequent_indent="   "))
            for letter, option in _lettered(question):
                lines.append(fill(f"   {letter}. {option.text}", 88, subsequent_indent="      "))
            lines.append("")
        lines.append("Answers")
        for number, question in enumerate(self.questions, start=1):
            for letter, option in _lettered(question):
                text = f"{number}{letter}. {_verdict(option)} {option.reason}"
                lines.append(indent(fill(text, 85, subsequent_indent="    "), "   "))
        return "\n".join(lines)
